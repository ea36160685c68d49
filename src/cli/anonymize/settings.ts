/** The configuration of a command: file, then options, then `--set`. */
import { stat } from "node:fs/promises";
import { type AnonymizerConfig, codedError, entityTypes, loadConfig, parseOverrides } from "../../index.ts";

/** Options that several commands share, as commander gives them. */
export interface SettingsOptions {
  readonly config?: string;
  readonly engine?: string;
  readonly sampler?: string;
  readonly ocr?: string;
  readonly models?: string;
  readonly types?: string;
  readonly keyFile?: string;
  readonly format?: string;
  readonly includeOriginals?: boolean;
  readonly jobs?: number;
  readonly locale?: string;
  readonly vault?: string;
  readonly vaultKeyFile?: string;
  readonly set?: readonly string[];
}

/** `own`: what the command's own options set, dotted key → value. */
export function loadSettings(
  options: SettingsOptions,
  own: Readonly<Record<string, unknown>> = {},
): Promise<AnonymizerConfig> {
  const overrides: Record<string, unknown> = { ...own };
  if (options.engine !== undefined) overrides["engine"] = options.engine;
  if (options.sampler !== undefined) overrides["diffusion.sampler"] = options.sampler;
  if (options.ocr !== undefined) overrides["ocr.engine"] = options.ocr;
  if (options.models !== undefined) overrides["models"] = options.models;
  if (options.types !== undefined) overrides["types"] = parseTypes(options.types);
  if (options.keyFile !== undefined) overrides["key_file"] = options.keyFile;
  if (options.format !== undefined) overrides["output.format"] = options.format;
  if (options.includeOriginals) overrides["report.include_originals"] = true;
  if (options.jobs !== undefined) overrides["ocr.workers"] = options.jobs;
  if (options.locale !== undefined) overrides["locale"] = options.locale;
  if (options.vault !== undefined) overrides["vault"] = options.vault;
  if (options.vaultKeyFile !== undefined) overrides["vault_key_file"] = options.vaultKeyFile;
  return loadConfig(options.config ?? {}, "anonymizer", {
    overrides: { ...overrides, ...parseOverrides(options.set ?? []) },
  });
}

/** For commands that write nothing: a vault that is not there yet is left out. */
export async function withoutNewVault(config: AnonymizerConfig): Promise<AnonymizerConfig> {
  const { vault, ...rest } = config;
  if (vault === undefined || (await stat(vault).catch(() => undefined)) !== undefined) return config;
  return rest;
}

function parseTypes(list: string): string[] {
  const types = list.split(",").map((type) => type.trim());
  const wrong = types.filter((type) => !entityTypes.some((known) => known === type));
  if (wrong.length > 0) {
    throw codedError("ERR_USAGE", `--types: unknown ${wrong.join(", ")}; there are ${entityTypes.join(", ")}`);
  }
  return types;
}
