/** Reads, checks and completes a configuration. */
import { readFile, stat } from "node:fs/promises";
import { dirname, isAbsolute, resolve } from "node:path";
import { holdsUser, isAddress } from "../addresses.ts";
import { AnonymizerError, codedError } from "../errors.ts";
import { type ConfigProblem, describeIssues } from "./problems.ts";
import {
  type ConfigByKind,
  type ConfigInputByKind,
  type ConfigKind,
  configJsonSchema,
  configKinds,
  pathKeysOf,
  schemaOf,
} from "./schemas.ts";
import { type Place, parseYaml } from "./yaml-source.ts";

const maxConfigBytes = 1 << 20;

export interface LoadConfigOptions {
  /** Values that replace those of the file: dotted key → value. Their paths are relative to the current folder. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** Folder that relative paths of an object start from. Default: the current folder. */
  readonly baseDir?: string;
}

interface Source {
  readonly value: unknown;
  /** Named in messages. */
  readonly label: string;
  readonly baseDir: string;
  readonly isFile: boolean;
  place(path: readonly PropertyKey[]): Place | undefined;
}

/**
 * Checks a configuration and fills in its defaults. `source` is an object or the path of a YAML file; relative paths in
 * it are resolved against the file's folder (for an object: the current folder). Without `kind`, the key `kind` decides.
 *
 * Throws ERR_CONFIG_NOT_FOUND, ERR_CONFIG_SYNTAX (file:line:column), ERR_CONFIG_INVALID (every wrong key with its line
 * and the nearest valid one; `details.problems` has them as data).
 */
export async function loadConfig<K extends ConfigKind>(
  source: string | ConfigInputByKind[K],
  kind: K,
  options?: LoadConfigOptions,
): Promise<ConfigByKind[K]>;
export async function loadConfig(
  source: string | ConfigInputByKind[ConfigKind],
  kind?: undefined,
  options?: LoadConfigOptions,
): Promise<ConfigByKind[ConfigKind]>;
export async function loadConfig(
  source: unknown,
  kind?: ConfigKind,
  options: LoadConfigOptions = {},
): Promise<ConfigByKind[ConfigKind]> {
  const read = typeof source === "string" ? await readSource(source) : objectSource(source, options.baseDir);
  return checkConfig(read, kind, options.overrides ?? {});
}

async function readSource(file: string): Promise<Source> {
  let text: string;
  try {
    const { size } = await stat(file);
    if (size > maxConfigBytes) {
      throw codedError("ERR_CONFIG_INVALID", `${file}: ${size} bytes is too long for a configuration`, {
        details: { file },
      });
    }
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_CONFIG_INVALID") throw error;
    throw codedError("ERR_CONFIG_NOT_FOUND", `${file}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
      details: { file },
    });
  }
  return textSource(text, file);
}

function textSource(text: string, file: string): Source {
  const yaml = parseYaml(text, file);
  return { value: yaml.value ?? {}, label: file, baseDir: dirname(resolve(file)), isFile: true, place: yaml.place };
}

/** What is wrong with `text` as the content of `file`; empty when it is valid. Throws ERR_CONFIG_SYNTAX. */
export function configProblems(text: string, file: string, kind: ConfigKind): readonly ConfigProblem[] {
  try {
    checkConfig(textSource(text, file), kind, {});
    return [];
  } catch (error) {
    if (!(error instanceof AnonymizerError) || error.code !== "ERR_CONFIG_INVALID") throw error;
    return error.details["problems"] as readonly ConfigProblem[];
  }
}

const objectSource = (value: unknown, baseDir: string | undefined): Source => ({
  value,
  label: "the configuration",
  baseDir: resolve(baseDir ?? "."),
  isFile: false,
  place: () => undefined,
});

function checkConfig(
  source: Source,
  wanted: ConfigKind | undefined,
  overrides: Readonly<Record<string, unknown>>,
): ConfigByKind[ConfigKind] {
  const kind = kindOf(source, wanted);
  const schema = configJsonSchema(kind);
  const input = copyOf(source);
  const pathKeys = pathKeysOf(kind);
  for (const path of pathKeys) mapPath(input, path, (value) => resolve(source.baseDir, value));

  const overridden = new Set<string>();
  for (const [key, value] of Object.entries(overrides)) {
    const path = key.split(".");
    const isPath = pathKeys.some((p) => p.join(".") === key) && !isAddress(value);
    setPath(input, path, isPath && typeof value === "string" ? resolve(value) : value);
    overridden.add(key);
  }

  const locate = (path: readonly PropertyKey[]): Place | undefined =>
    overridden.has(path.join(".")) ? undefined : source.place(path);
  const result = schemaOf(kind).safeParse(input);
  const problems = result.success ? [] : describeIssues(result.error.issues, input, schema, locate);
  for (const path of pathKeys) {
    const value = path.reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], input);
    const wrong = isAddress(value) ? addressFault(path, value) : undefined;
    if (wrong !== undefined) problems.push({ key: path.join("."), ...locate(path), message: wrong });
  }
  if (source.isFile && kind === "anonymizer" && input["key"] !== undefined) {
    problems.push({
      key: "key",
      ...source.place(["key"]),
      message: "may not stand in a file; use key_file or ANONYMIZER_KEY",
    });
  }
  if (problems.length > 0 || !result.success) {
    const lines = problems.map((p) => {
      const where = p.line === undefined ? source.label : `${source.label}:${p.line}`;
      return `${where}: ${p.key === "" ? "the file" : p.key}: ${p.message}`;
    });
    throw codedError("ERR_CONFIG_INVALID", lines.join("\n"), { details: { kind, problems } });
  }
  return result.data as ConfigByKind[ConfigKind];
}

function copyOf(source: Source): Record<string, unknown> {
  try {
    return structuredClone(source.value) as Record<string, unknown>;
  } catch (cause) {
    throw codedError("ERR_CONFIG_INVALID", `${source.label}: holds something that is no plain value`, { cause });
  }
}

function kindOf(source: Source, wanted: ConfigKind | undefined): ConfigKind {
  const { value } = source;
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw codedError("ERR_CONFIG_INVALID", `${source.label}: must be a group of keys`, { details: { problems: [] } });
  }
  const named = (value as Record<string, unknown>)["kind"];
  const place = source.place(["kind"]);
  const where = place === undefined ? source.label : `${source.label}:${place.line}`;
  if (named === undefined && wanted === undefined) {
    throw codedError("ERR_CONFIG_INVALID", `${source.label}: kind: is missing; must be ${configKinds.join(", ")}`, {
      details: { problems: [{ key: "kind", message: "is missing" }] },
    });
  }
  if (named !== undefined && !configKinds.some((k) => k === named)) {
    throw codedError(
      "ERR_CONFIG_INVALID",
      `${where}: kind: must be ${configKinds.join(", ")}, not ${JSON.stringify(named)}`,
      {
        details: { problems: [{ key: "kind", ...place, message: "unknown kind" }] },
      },
    );
  }
  if (named !== undefined && wanted !== undefined && named !== wanted) {
    throw codedError(
      "ERR_CONFIG_INVALID",
      `${where}: kind: is ${String(named)}, but a ${wanted} configuration is needed`,
      {
        details: { problems: [{ key: "kind", ...place, message: `must be ${wanted}` }] },
      },
    );
  }
  return (wanted ?? named) as ConfigKind;
}

function mapPath(input: Record<string, unknown>, path: readonly string[], map: (value: string) => string): void {
  let node: unknown = input;
  for (const key of path.slice(0, -1)) {
    if (node === null || typeof node !== "object") return;
    node = (node as Record<string, unknown>)[key];
  }
  const last = path.at(-1)!;
  if (node === null || typeof node !== "object") return;
  const holder = node as Record<string, unknown>;
  const value = holder[last];
  if (typeof value === "string" && value !== "" && !isAbsolute(value) && !isAddress(value)) {
    holder[last] = map(value);
  }
}

/** What is wrong with an address there. It is not repeated: it may hold a password. */
function addressFault(path: readonly string[], address: string): string | undefined {
  // These take a place in a store as well.
  if (["models", "data.manifest"].includes(path.join("."))) {
    if (!/^(r2|s3|file):\/\//i.test(address))
      return "must be a path, or an address that begins with r2://, s3:// or file://";
    return holdsUser(address)
      ? "must be an address without user or password; those stay in the environment"
      : undefined;
  }
  const isModel = ["path", "model"].includes(path.at(-1)!);
  const cure = isModel ? "; `anonymizer models pull ADDRESS --to DIR` brings a model here" : "";
  return `must be a path of this machine, not an address${cure}`;
}

function setPath(input: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let node = input;
  for (const key of path.slice(0, -1)) {
    if (!Object.hasOwn(node, key) || node[key] === null || typeof node[key] !== "object") node[key] = {};
    node = node[key] as Record<string, unknown>;
  }
  const last = path.at(-1)!;
  Object.defineProperty(node, last, { value, enumerable: true, writable: true, configurable: true });
}
