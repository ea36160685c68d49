/** `anonymizer-train config …` */
import { stringify } from "yaml";
import { type ConfigKind, codedError, configJsonSchema, configKinds, loadConfig } from "../../index.ts";
import type { Terminal } from "../terminal.ts";

/** Checks a file and prints it with every default filled in and every path resolved. */
export async function validateConfig(
  file: string,
  options: { readonly json?: boolean },
  terminal: Terminal,
): Promise<void> {
  const config = await loadConfig(file);
  terminal.stdout.write(options.json === true ? `${JSON.stringify(config, null, 2)}\n` : stringify(config));
  terminal.stderr.write(`${file} is a valid ${config.kind} configuration\n`);
}

export function printSchema(kind: string, terminal: Terminal): void {
  if (!configKinds.some((known) => known === kind)) {
    throw codedError(
      "ERR_USAGE",
      `There is no configuration ${JSON.stringify(kind)}; there are ${configKinds.join(", ")}`,
    );
  }
  terminal.stdout.write(`${JSON.stringify(configJsonSchema(kind as ConfigKind), null, 2)}\n`);
}
