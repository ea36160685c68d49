/** Turns what the schema found into messages that name the key, the line, and what was probably meant. */
import type { z } from "zod";
import { withoutUser } from "../addresses.ts";
import { keysBelow, nearestKey, nearestValue } from "./known-keys.ts";
import type { JsonSchemaNode } from "./schemas.ts";
import type { Place } from "./yaml-source.ts";

export interface ConfigProblem {
  /** "optimizer.learning_rate"; "" for the whole file. */
  readonly key: string;
  /** Where in the file; absent for configurations given as objects. */
  readonly line?: number;
  readonly column?: number;
  readonly message: string;
  /** The valid key or value that is nearest to a wrong one. */
  readonly suggestion?: string;
}

type Issue = z.core.$ZodIssue;
type Locate = (path: readonly PropertyKey[]) => Place | undefined;

// Values of these keys never appear in a message.
const secretKeys = new Set(["key"]);

/** All problems in the order of the file. */
export function describeIssues(
  issues: readonly Issue[],
  input: unknown,
  schema: JsonSchemaNode,
  locate: Locate,
): ConfigProblem[] {
  const problems = issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => unknownKey(issue.path, key, schema, locate))
      : [badValue(issue, input, locate)],
  );
  return problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

const dotted = (path: readonly PropertyKey[]): string =>
  path.map((p, i) => (typeof p === "number" ? `[${p}]` : `${i === 0 ? "" : "."}${String(p)}`)).join("");

function unknownKey(
  parent: readonly PropertyKey[],
  key: string,
  schema: JsonSchemaNode,
  locate: Locate,
): ConfigProblem {
  const names = parent.filter((p) => typeof p !== "number").map(String);
  const suggestion = nearestKey(schema, names, key);
  const known = keysBelow(schema, names);
  const hint =
    suggestion !== undefined
      ? `did you mean ${suggestion}?`
      : known.length > 0
        ? `known here: ${known.join(", ")}`
        : "nothing is known below it";
  return {
    key: dotted([...parent, key]),
    ...locate([...parent, key]),
    message: `unknown key; ${hint}`,
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

function badValue(issue: Issue, input: unknown, locate: Locate): ConfigProblem {
  const key = dotted(issue.path);
  const value = valueAt(input, issue.path);
  const options =
    issue.code === "invalid_value"
      ? issue.values
      : issue.code === "invalid_union"
        ? (issue as { options?: unknown[] }).options
        : undefined;
  const suggestion = options === undefined ? undefined : nearestValue(options, value);
  const wanted = options === undefined ? sentence(issue) : `must be ${listOf(options)}`;
  const message =
    value === undefined && issue.code !== "custom"
      ? `is missing${options === undefined ? "" : `; ${wanted}`}`
      : `${wanted}${got(issue, value)}${suggestion === undefined ? "" : `; did you mean ${suggestion}?`}`;
  return { key, ...locate(issue.path), message, ...(suggestion === undefined ? {} : { suggestion }) };
}

const listOf = (options: readonly unknown[]): string =>
  options.length === 1 ? String(options[0]) : `${options.slice(0, -1).join(", ")} or ${options.at(-1)}`;

function got(issue: Issue, value: unknown): string {
  if (issue.code === "custom" || secretKeys.has(String(issue.path.at(-1)))) return "";
  if (typeof value === "string") return `, not ${JSON.stringify(withoutUser(value))}`;
  if (value === null || ["number", "boolean"].includes(typeof value)) return `, not ${JSON.stringify(value)}`;
  return "";
}

function sentence(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return `must be ${article(issue.expected)}`;
    case "too_small":
      return issue.origin === "number" || issue.origin === "int"
        ? `must be ${issue.inclusive === false ? "above" : "at least"} ${issue.minimum}`
        : `must have at least ${issue.minimum} ${issue.origin === "string" ? "characters" : "entries"}`;
    case "too_big":
      return issue.origin === "number" || issue.origin === "int"
        ? `must be ${issue.inclusive === false ? "below" : "at most"} ${issue.maximum}`
        : `must have at most ${issue.maximum} ${issue.origin === "string" ? "characters" : "entries"}`;
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}`;
    default:
      return issue.message;
  }
}

function article(type: string): string {
  const names: Record<string, string> = {
    int: "a whole number",
    number: "a number",
    string: "a text",
    boolean: "true or false",
    object: "a group of keys",
    array: "a list",
    tuple: "a list",
  };
  return names[type] ?? `a ${type}`;
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (value === null || typeof value !== "object") return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}
