/** A YAML text with the places of its keys. */
import { basename } from "node:path";
import { type Document, isMap, isNode, isScalar, LineCounter, type Node, type Pair, parseDocument } from "yaml";
import { codedError } from "../errors.ts";

export interface Place {
  /** 1-based. */
  readonly line: number;
  /** 1-based. */
  readonly column: number;
}

export interface YamlSource {
  readonly value: unknown;
  /** Where a key stands; the nearest enclosing key where it is absent. */
  place(path: readonly PropertyKey[]): Place;
}

/** Parses YAML 1.2. `file` is named in errors. Throws ERR_CONFIG_SYNTAX with file, line and column. */
export function parseYaml(text: string, file: string): YamlSource {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const at = (offset: number): Place => {
    const { line, col } = lineCounter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const problem = document.errors[0];
  if (problem !== undefined) throw syntaxError(file, at(problem.pos[0]), problem.message, problem);
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    throw syntaxError(file, { line: 1, column: 1 }, error instanceof Error ? error.message : String(error), error);
  }
  return { value, place: (path) => at(offsetOf(document, path)) };
}

function syntaxError(file: string, { line, column }: Place, message: string, cause: unknown): Error {
  return codedError("ERR_CONFIG_SYNTAX", `${file}:${line}:${column}: ${message}`, {
    cause,
    details: { file: basename(file), line, column },
  });
}

function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  let node: unknown = document.contents;
  let offset = startOf(node);
  for (const key of path) {
    if (isMap(node)) {
      const pair = (node.items as Pair<unknown, unknown>[]).find(
        (p) => String(isScalar(p.key) ? p.key.value : p.key) === String(key),
      );
      if (pair === undefined) return offset;
      offset = startOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isNode(node) && "items" in node && typeof key === "number") {
      node = (node as { items: unknown[] }).items[key];
      offset = startOf(node) ?? offset;
    } else return offset;
  }
  return offset;
}

const startOf = (node: unknown): number => (isNode(node) ? ((node as Node).range?.[0] ?? 0) : 0);
