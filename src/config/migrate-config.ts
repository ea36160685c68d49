/** Brings an older configuration file to the present format, its comments kept. */
import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import {
  type Document,
  isMap,
  isScalar,
  type Node,
  Pair,
  parseDocument,
  type Scalar,
  YAMLMap,
  type YAMLSeq,
} from "yaml";
import { codedError } from "../errors.ts";
import { writeTextFile } from "../models/files.ts";
import { allKeys, plainKey } from "./known-keys.ts";
import { configProblems } from "./load-config.ts";
import { type ConfigPath, type MigrationContext, migrations, type Placed, type Rule } from "./migrations.ts";
import type { ConfigProblem } from "./problems.ts";
import { configJsonSchema, type JsonSchemaNode, pathKeysOf } from "./schemas.ts";
import { configVersion } from "./training-config.ts";

export interface MigrateConfigOptions {
  /** Needed where the file doesn't say and its keys don't tell. */
  readonly kind?: "vae" | "unet";
  /** Where the new text goes; default: over the old one. */
  readonly out?: string;
  /** Write nothing. */
  readonly check?: boolean;
}

export interface ConfigChange {
  /** Key of the old file. */
  readonly from: string;
  /** Keys of the new one with their values, "optimizer.learning_rate: 0.0001"; empty when the key was dropped. */
  readonly to: readonly string[];
  readonly note?: string;
}

export interface MigratedConfig {
  readonly changes: readonly ConfigChange[];
  /** What has to be mended by hand: the new text as `loadConfig` sees it. */
  readonly problems: readonly ConfigProblem[];
  readonly text: string;
  /** Where the text was written; absent with `check` or when nothing changed. */
  readonly written?: string;
}

/**
 * Renames, moves and drops what older files wrote (see migrations.ts), adds `version`, and writes the file. A key in
 * another spelling or at another place than the only known one of its name is moved too. What is unknown stays and is
 * told in `problems`. Throws ERR_CONFIG_NOT_FOUND, ERR_CONFIG_SYNTAX, ERR_CONFIG_INVALID (an old and a new key say the
 * same thing; a newer version than this one), ERR_USAGE (kind unknown), ERR_OUTPUT.
 */
export async function migrateConfig(file: string, options: MigrateConfigOptions = {}): Promise<MigratedConfig> {
  const old = await readFile(file, "utf8").catch((cause: unknown) => {
    throw codedError("ERR_CONFIG_NOT_FOUND", `${file} can't be read`, { cause, details: { file } });
  });
  const migrated = migrateConfigText(old, file, options.kind);
  const { changes, kind } = migrated;
  const target = options.out ?? file;
  const text = movePaths(migrated.text, kind, dirname(resolve(file)), dirname(resolve(target)));
  const problems = configProblems(text, target, kind);
  const write = options.check !== true && (changes.length > 0 || target !== file);
  if (write) await writeTextFile(target, text);
  return { changes, problems, text, ...(write ? { written: target } : {}) };
}

/** Relative paths start at the file's folder, so a file written elsewhere names them from there. */
function movePaths(text: string, kind: "vae" | "unet", from: string, to: string): string {
  if (from === to) return text;
  const document = parseDocument(text);
  for (const path of pathKeysOf(kind)) {
    const value = document.getIn(path);
    if (typeof value === "string" && !isAbsolute(value)) document.setIn(path, relative(to, resolve(from, value)));
  }
  return document.toString({ lineWidth: 0 });
}

/** The same on a text; `file` is named in errors. */
export function migrateConfigText(
  old: string,
  file: string,
  wanted?: "vae" | "unet",
): { text: string; changes: ConfigChange[]; kind: "vae" | "unet" } {
  const document = parseDocument(old, { prettyErrors: false });
  const problem = document.errors[0];
  if (problem !== undefined) {
    throw codedError("ERR_CONFIG_SYNTAX", `${file}: ${problem.message}`, { cause: problem, details: { file } });
  }
  const root: unknown = document.contents;
  if (!isMap(root)) throw codedError("ERR_CONFIG_INVALID", `${file}: must be a group of keys`, { details: { file } });
  const map = root as YAMLMap;
  const kind = kindOf(map, file, wanted);
  const version = map.get("version") ?? 0;
  if (typeof version !== "number" || !Number.isInteger(version) || version < 0 || version > configVersion) {
    throw codedError(
      "ERR_CONFIG_INVALID",
      `${file}: version is ${JSON.stringify(version)}; this release knows versions up to ${configVersion}. Update it, or mend the number`,
      { details: { file } },
    );
  }
  const migration = new FileMigration(document, map, kind, file);
  for (const { version: next, rules } of migrations) if (next > version) migration.apply(rules);
  migration.moveMisplaced();
  migration.stamp();
  return { text: document.toString({ lineWidth: 0 }), changes: migration.changes, kind };
}

/** Keys that only one kind has. */
const telling = {
  vae: /^(kl_|rec_loss|disc_|perceptual|decoder_only)/,
  unet: /^(vae|vae_path|pretrained_vae|trocr|glyph|snr_gamma|prediction_type|masked|conditioning_dropout)/,
};

function kindOf(map: YAMLMap, file: string, wanted: "vae" | "unet" | undefined): "vae" | "unet" {
  const named = map.get("kind");
  if (named === "vae" || named === "unet") {
    if (wanted === undefined || wanted === named) return named;
    throw codedError("ERR_USAGE", `${file}: kind is ${named}, not ${wanted}`);
  }
  if (named !== undefined) {
    throw codedError("ERR_USAGE", `${file}: only configurations of kind vae and unet have older forms`);
  }
  if (wanted !== undefined) return wanted;
  const keys = map.items.map((pair) => keyOf(pair));
  const [vae, unet] = [telling.vae, telling.unet].map((pattern) => keys.some((key) => pattern.test(key)));
  if (vae !== unet) return vae ? "vae" : "unet";
  throw codedError("ERR_USAGE", `${file} does not say what it trains; give --kind vae or --kind unet`);
}

type KeyPair = Pair<unknown, unknown>;
const keyOf = (pair: KeyPair): string => String(isScalar(pair.key) ? pair.key.value : pair.key);
const underscored = (key: string): string => key.replaceAll("-", "_");

class FileMigration implements MigrationContext {
  readonly changes: ConfigChange[] = [];
  readonly kind: "vae" | "unet";
  readonly #document: Document.Parsed;
  readonly #root: YAMLMap;
  readonly #file: string;
  readonly #schema: JsonSchemaNode;
  readonly #keys: readonly string[];

  constructor(document: Document.Parsed, root: YAMLMap, kind: "vae" | "unet", file: string) {
    this.#document = document;
    this.#root = root;
    this.kind = kind;
    this.#file = file;
    this.#schema = configJsonSchema(kind);
    this.#keys = allKeys(this.#schema);
  }

  has = (key: string): boolean => this.#root.items.some((pair) => underscored(keyOf(pair)) === key);

  #knows(path: ConfigPath): boolean {
    return this.#keys.includes(path.join("."));
  }

  takes = (path: ConfigPath, value: unknown): boolean => {
    const node = path.reduce<JsonSchemaNode | undefined>((parent, key) => parent?.properties?.[key], this.#schema);
    return node?.enum === undefined || node.enum.includes(value);
  };

  apply(rules: readonly Rule[]): void {
    for (const pair of [...this.#root.items] as KeyPair[]) {
      const key = keyOf(pair);
      const rule = rules.find(
        (r) =>
          r.from === underscored(key) && (r.kind === undefined || r.kind === this.kind) && !this.#isPresent(r, pair),
      );
      if (rule === undefined) continue;
      const value = isScalar(pair.value) ? pair.value.value : (pair.value as Node | null)?.toJS(this.#document);
      const placed = rule.convert?.(value, this) ?? [{ path: rule.to!, value }];
      this.#replace(pair, placed, rule.note);
    }
  }

  /** A key whose name, apart from case and separators, is known at exactly one place goes there. */
  moveMisplaced(): void {
    const visit = (map: YAMLMap, parent: readonly string[]): void => {
      for (const pair of [...map.items] as KeyPair[]) {
        const path = [...parent, keyOf(pair)];
        if (this.#knows(path)) {
          if (isMap(pair.value)) visit(pair.value as YAMLMap, path);
          continue;
        }
        if (isMap(pair.value)) continue;
        const leaf = plainKey(path.at(-1)!);
        const places = this.#keys.filter((known) => plainKey(known.slice(known.lastIndexOf(".") + 1)) === leaf);
        if (places.length !== 1 || this.#isGroup(places[0]!)) continue;
        const value = isScalar(pair.value) ? pair.value.value : (pair.value as Node | null)?.toJS(this.#document);
        this.#replace(pair, [{ path: places[0]!.split("."), value }], undefined, map, path.join("."));
      }
    };
    visit(this.#root, []);
  }

  /** Adds `kind` and `version` where they are missing, and raises an older version. */
  stamp(): void {
    for (const [key, value] of [
      ["kind", this.kind],
      ["version", configVersion],
    ] as const) {
      if (this.#root.get(key) === value) continue;
      const had = this.#root.has(key);
      if (had) this.#root.set(key, value);
      else this.#prepend(this.#document.createPair(key, value) as KeyPair);
      this.changes.push({ from: had ? key : "", to: [`${key}: ${value}`] });
    }
  }

  /** Whether the old name means, in this form, what it means now: `lr_scheduler` as a group, `ema_decay`. */
  #isPresent(rule: Rule, pair: KeyPair): boolean {
    if (!this.#knows([rule.from])) return false;
    return this.#isGroup(rule.from) ? isMap(pair.value) : true;
  }

  #isGroup(path: string): boolean {
    return this.#keys.some((key) => key.startsWith(`${path}.`));
  }

  #replace(
    pair: KeyPair,
    placed: readonly Placed[],
    note?: string,
    holder: YAMLMap = this.#root,
    from = keyOf(pair),
  ): void {
    const at = holder.items.indexOf(pair as never);
    holder.items.splice(at, 1);
    let first = true;
    for (const { path, value } of placed) {
      this.#put(path, value, first ? pair : undefined, at);
      first = false;
    }
    this.changes.push({
      from,
      to: placed.map(({ path, value }) => `${path.join(".").replace(/\.(\d+)$/, "[$1]")}: ${JSON.stringify(value)}`),
      ...(note === undefined ? {} : { note }),
    });
  }

  /** Sets one value; the comments of `origin`, the pair it comes from, go with it. */
  #put(path: ConfigPath, value: unknown, origin: KeyPair | undefined, at: number): void {
    const existing = this.#document.getIn(path);
    if (existing !== undefined && existing !== value) {
      throw codedError(
        "ERR_CONFIG_INVALID",
        `${this.#file}: ${origin === undefined ? path.join(".") : keyOf(origin)} and ${path.join(".")} both say something; keep one`,
        { details: { file: this.#file, key: path.join(".") } },
      );
    }
    if (existing !== undefined) return;
    if (/^\d+$/.test(path.at(-1)!)) {
      this.#putInList(path.slice(0, -1), Number(path.at(-1)), value, origin, at);
      return;
    }
    const fresh = this.#document.createPair(path.at(-1), value) as KeyPair;
    if (origin !== undefined) takeComments(origin, fresh);
    // The node itself, so that 1.0e-4 stays written that way.
    if (isScalar(origin?.value) && origin.value.value === value) fresh.value = origin.value;
    const group = path.length === 1 ? this.#root : this.#group(path.slice(0, -1), at);
    if (group === this.#root) group.items.splice(at, 0, fresh as never);
    else group.items.push(fresh as never);
  }

  #group(path: ConfigPath, at: number): YAMLMap {
    const found = this.#document.getIn(path);
    if (isMap(found)) return found as YAMLMap;
    const group = new YAMLMap();
    const pair = new Pair(this.#document.createNode(path.at(-1)), group);
    const parent = path.length === 1 ? this.#root : this.#group(path.slice(0, -1), at);
    if (parent === this.#root) parent.items.splice(at, 0, pair as never);
    else parent.items.push(pair as never);
    return group;
  }

  /** The default list with one entry replaced: `betas` of two separate flags. */
  #putInList(path: ConfigPath, index: number, value: unknown, origin: KeyPair | undefined, at: number): void {
    const known = this.#document.getIn(path);
    if (known === undefined) {
      const node = path.reduce<JsonSchemaNode | undefined>((parent, key) => parent?.properties?.[key], this.#schema);
      this.#put(path, node?.default, origin, at);
    }
    const list = this.#document.getIn(path) as YAMLSeq;
    list.flow = true;
    list.set(index, value);
  }

  #prepend(pair: KeyPair): void {
    const first = this.#root.items[0] as KeyPair | undefined;
    // What stands above the first key is about the file.
    if (first !== undefined && isScalar(first.key) && isScalar(pair.key)) {
      pair.key.commentBefore = first.key.commentBefore ?? null;
      first.key.commentBefore = null;
    }
    this.#root.items.unshift(pair as never);
  }
}

function takeComments(from: KeyPair, to: KeyPair): void {
  const [key, value] = [from.key, from.value];
  const newKey = to.key as Scalar;
  if (isScalar(key)) {
    newKey.commentBefore = key.commentBefore ?? null;
    if (key.spaceBefore === true) newKey.spaceBefore = true;
  }
  if (isScalar(value) && value.comment) (to.value as Scalar).comment = value.comment;
}
