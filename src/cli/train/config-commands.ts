/** `anonymizer-train config …` */
import { stringify } from "yaml";
import {
  AnonymizerError,
  type ConfigKind,
  type ConfigProblem,
  codedError,
  configJsonSchema,
  configKinds,
  initConfig,
  loadConfig,
  migrateConfig,
  writeFileAtomic,
} from "../../index.ts";
import type { Terminal } from "../terminal.ts";

export interface InitOptions {
  readonly preset?: string;
  readonly out?: string;
  readonly force?: boolean;
}

export interface MigrateOptions {
  readonly kind?: "vae" | "unet";
  readonly out?: string;
  readonly check?: boolean;
}

/** Writes a commented configuration; prints its path. */
export async function initConfigFile(kind: "vae" | "unet", options: InitOptions, terminal: Terminal): Promise<void> {
  const path = await initConfig({ kind, out: options.out ?? `${kind}.yaml`, ...withoutUndefined(options) });
  terminal.stderr.write(
    `set model.path and data.manifest, then: anonymizer-train ${kind} --config ${path} --dry-run\n`,
  );
  terminal.stdout.write(`${path}\n`);
}

const withoutUndefined = ({ preset, force }: InitOptions): { preset?: string; force?: boolean } => ({
  ...(preset === undefined ? {} : { preset }),
  ...(force === undefined ? {} : { force }),
});

/**
 * Checks files and tells everything that is wrong with them. A single valid file is printed with every default filled in
 * and every path resolved. With `json`: that, or `[{ file, kind?, problems }]` where something is wrong.
 */
export async function validateConfigs(
  files: readonly string[],
  options: { readonly json?: boolean },
  terminal: Terminal,
): Promise<void> {
  const results: { file: string; kind?: string; problems: readonly ConfigProblem[] }[] = [];
  for (const file of files) {
    try {
      const config = await loadConfig(file);
      results.push({ file, kind: config.kind, problems: [] });
      if (files.length === 1) {
        terminal.stdout.write(options.json === true ? `${JSON.stringify(config, null, 2)}\n` : stringify(config));
      }
      terminal.stderr.write(`${file} is a valid ${config.kind} configuration\n`);
    } catch (error) {
      if (!(error instanceof AnonymizerError)) throw error;
      const problems = error.details["problems"] as readonly ConfigProblem[] | undefined;
      if (options.json !== true && problems?.some(isForeign)) {
        terminal.stderr.write(`if ${file} has an older form: anonymizer-train config migrate ${file} --check\n`);
      }
      if (files.length === 1 && options.json !== true) throw error;
      results.push({ file, problems: problems ?? [{ key: "", message: error.message }] });
      if (options.json !== true) terminal.stderr.write(`${error.message}\n`);
    }
  }
  const wrong = results.filter(({ problems }) => problems.length > 0);
  if (options.json === true && (files.length > 1 || wrong.length > 0)) {
    terminal.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
  }
  if (wrong.length > 0) {
    throw codedError("ERR_CONFIG_INVALID", `${wrong.length} of ${files.length} files are not valid`, {
      details: { files: wrong.map(({ file }) => file) },
    });
  }
}

const isForeign = ({ key, message }: ConfigProblem): boolean =>
  message.startsWith("unknown key") || (key === "kind" && message === "is missing");

/** Tells what changed, and what has to be mended by hand. Fails when something is left, or with `check` when something would change. */
export async function migrateConfigFile(file: string, options: MigrateOptions, terminal: Terminal): Promise<void> {
  const { changes, problems, written } = await migrateConfig(file, options);
  for (const { from, to, note } of changes) {
    const left = from === "" ? "added" : from;
    const right = to.length === 0 ? "dropped" : to.join(", ");
    terminal.stderr.write(`${left} → ${right}${note === undefined ? "" : `  (${note})`}\n`);
  }
  for (const { line, key, message } of problems) {
    terminal.stderr.write(`still wrong: ${line === undefined ? "" : `line ${line}: `}${key}: ${message}\n`);
  }
  if (written !== undefined) terminal.stdout.write(`${written}\n`);
  else if (changes.length === 0) terminal.stderr.write(`${file} is of the present form\n`);
  if (problems.length > 0) {
    throw codedError("ERR_CONFIG_INVALID", `${problems.length} keys of ${file} have to be mended by hand`, {
      details: { problems },
    });
  }
  if (options.check === true && changes.length > 0) {
    throw codedError(
      "ERR_CONFIG_INVALID",
      `${file} has an older form: ${changes.length} changes are due; run \`config migrate\` without --check`,
    );
  }
}

export async function printSchema(kind: string, out: string | undefined, terminal: Terminal): Promise<void> {
  if (!configKinds.some((known) => known === kind)) {
    throw codedError(
      "ERR_USAGE",
      `There is no configuration ${JSON.stringify(kind)}; there are ${configKinds.join(", ")}`,
    );
  }
  const text = `${JSON.stringify(configJsonSchema(kind as ConfigKind), null, 2)}\n`;
  if (out === undefined) terminal.stdout.write(text);
  else {
    await writeFileAtomic(out, text);
    terminal.stdout.write(`${out}\n`);
  }
}
