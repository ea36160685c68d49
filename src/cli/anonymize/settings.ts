/** The configuration of a command: file, then options, then `--set`. */
import { type AnonymizerConfig, codedError, entityTypes, loadConfig, parseOverrides } from "../../index.ts";

/** Options that several commands share, as commander gives them. */
export interface SettingsOptions {
  readonly config?: string;
  readonly engine?: string;
  readonly models?: string;
  readonly types?: string;
  readonly keyFile?: string;
  readonly format?: string;
  readonly includeOriginals?: boolean;
  readonly concurrency?: number;
  readonly set?: readonly string[];
}

export function loadSettings(options: SettingsOptions): Promise<AnonymizerConfig> {
  const overrides: Record<string, unknown> = {};
  if (options.engine !== undefined) overrides["engine"] = options.engine;
  if (options.models !== undefined) overrides["models"] = options.models;
  if (options.types !== undefined) overrides["types"] = parseTypes(options.types);
  if (options.keyFile !== undefined) overrides["key_file"] = options.keyFile;
  if (options.format !== undefined) overrides["output.format"] = options.format;
  if (options.includeOriginals) overrides["report.include_originals"] = true;
  if (options.concurrency !== undefined) overrides["ocr.workers"] = options.concurrency;
  return loadConfig(options.config ?? {}, "anonymizer", {
    overrides: { ...overrides, ...parseOverrides(options.set ?? []) },
  });
}

function parseTypes(list: string): string[] {
  const types = list.split(",").map((type) => type.trim());
  const wrong = types.filter((type) => !entityTypes.some((known) => known === type));
  if (wrong.length > 0) {
    throw codedError("ERR_USAGE", `--types: unknown ${wrong.join(", ")}; there are ${entityTypes.join(", ")}`);
  }
  return types;
}
