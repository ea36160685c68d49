/** A new configuration file: every key of a preset, with what it means as a comment. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { Document, isMap, isScalar, isSeq, type Pair, type Scalar, type YAMLMap } from "yaml";
import { codedError } from "../errors.ts";
import { loadConfig } from "./load-config.ts";
import { findPreset, insidePackage } from "./presets.ts";
import { configJsonSchema, type JsonSchemaNode, pathKeysOf } from "./schemas.ts";

export interface InitConfigOptions {
  readonly kind: "vae" | "unet";
  /** "vae", "vae-ldm", "tiny-unet" …; default: the one named as the kind. */
  readonly preset?: string;
  /** The file to write. */
  readonly out: string;
  /** Replace a file that is there. */
  readonly force?: boolean;
}

const commentWidth = 110;

/**
 * Writes a commented YAML to `out` and returns its absolute path. The preset's models and data are named where they lie
 * below the current folder (`models/…`, `data/manifest.jsonl`), relative to the file. Throws ERR_USAGE (no such preset
 * of this kind), ERR_OUTPUT (the file is there and `force` is not given, or can't be written).
 */
export async function initConfig(options: InitConfigOptions): Promise<string> {
  const out = resolve(options.out);
  const text = await initialText(options.kind, options.preset ?? options.kind, dirname(out));
  try {
    await mkdir(dirname(out), { recursive: true });
    await writeFile(out, text, { flag: options.force === true ? "w" : "wx" });
  } catch (cause) {
    const there = cause instanceof Error && "code" in cause && cause.code === "EEXIST";
    throw codedError(
      "ERR_OUTPUT",
      there ? `${out} is there already; name another file, or give --force to replace it` : `${out} can't be written`,
      { cause, details: { path: out } },
    );
  }
  return out;
}

async function initialText(kind: "vae" | "unet", presetName: string, folder: string): Promise<string> {
  const preset = findPreset(kind, presetName);
  const introduction = leadingComment(await readFile(preset.file, "utf8"));
  const config = structuredClone(await loadConfig(preset.file, kind)) as unknown as Record<string, unknown>;
  for (const path of pathKeysOf(kind)) {
    const holder = path.slice(0, -1).reduce<unknown>((node, key) => (node as Record<string, unknown>)?.[key], config);
    const key = path.at(-1)!;
    const value = (holder as Record<string, unknown> | undefined)?.[key];
    if (typeof value !== "string") continue;
    const moved = relative(folder, join(process.cwd(), insidePackage(value)));
    (holder as Record<string, unknown>)[key] = moved === "" ? "." : moved;
  }
  const document = new Document(config);
  document.commentBefore = ` Made by \`anonymizer-train config init ${kind} --preset ${preset.name}\`.\n${introduction}`;
  const root = document.contents as YAMLMap;
  describe(root, configJsonSchema(kind), true);
  document.comment = root.comment ?? null;
  root.comment = null;
  return document.toString({ lineWidth: 0 });
}

/** The comment that a preset begins with, without the marks. */
function leadingComment(text: string): string {
  const lines = text.split("\n");
  const end = lines.findIndex((line) => !line.startsWith("#"));
  const told = lines.slice(0, end).filter((line) => !line.includes("yaml-language-server"));
  return told.map((line) => line.slice(1)).join("\n");
}

/** Puts the schema's description above each key, and keys that are not given as comments at the end. */
function describe(map: YAMLMap, schema: JsonSchemaNode, top: boolean): void {
  const nodes = propertiesOf(schema, map);
  for (const pair of map.items as Pair<Scalar, unknown>[]) {
    const key = String(pair.key.value);
    const node = nodes[key];
    if (node === undefined) continue;
    const isGroup = isMap(pair.value);
    if (isSeq(pair.value)) pair.value.flow = true;
    pair.key.commentBefore = comment(node.description ?? "", allowed(node, pair.value));
    if (isGroup) {
      if (top) pair.key.spaceBefore = true;
      describe(pair.value as unknown as YAMLMap, node, false);
    }
  }
  const absent = Object.entries(nodes).filter(([key]) => !map.has(key));
  if (absent.length === 0) return;
  map.comment = absent.map(([key, node]) => comment(`${key} (not set): ${node.description ?? ""}`, "")).join("\n");
}

/** Keys of a group; of a union those of the branch that fits the group's own values. */
function propertiesOf(schema: JsonSchemaNode, map: YAMLMap): Readonly<Record<string, JsonSchemaNode>> {
  if (schema.properties !== undefined) return schema.properties;
  const fits = (branch: JsonSchemaNode): boolean =>
    Object.entries(branch.properties ?? {}).every(
      ([key, node]) => node.const === undefined || node.const === map.get(key),
    );
  return schema.oneOf?.find(fits)?.properties ?? {};
}

function allowed(node: JsonSchemaNode, value: unknown): string {
  return node.enum === undefined || !isScalar(value) ? "" : ` One of ${node.enum.join(", ")}.`;
}

/** Broken into lines; each starts with the blank that stands after `#`. */
function comment(text: string, more: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of `${text}${more}`.split(" ")) {
    if (line.length + word.length + 1 > commentWidth) {
      lines.push(line);
      line = "";
    }
    line += ` ${word}`;
  }
  return [...lines, line].join("\n");
}
