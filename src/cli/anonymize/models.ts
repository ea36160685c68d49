/** `anonymizer models install`: puts models in place from a file the user downloaded. */
import { formatBytes, type InstalledPpOcr, installPpOcrModels } from "../../index.ts";
import type { Terminal } from "../terminal.ts";
import { exitCodes } from "./exit-codes.ts";

export interface InstallOptions {
  readonly from: string;
  readonly to?: string;
  readonly json?: boolean;
}

/** Resolves to 0; rejects with the installer's errors. */
export async function installModels(options: InstallOptions, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const { from, to } = options;
  const installed = await installPpOcrModels({ from, signal, ...(to === undefined ? {} : { folder: to }) });
  for (const warning of installed.warnings) terminal.stderr.write(`${warning}\n`);
  terminal.stdout.write(options.json ? `${JSON.stringify(installed, null, 2)}\n` : asText(installed));
  return exitCodes.fine;
}

function asText({ name, source, folder, files, characters }: InstalledPpOcr): string {
  const lines = files.map((file) => `  ${file.name}  ${formatBytes(file.bytes)}  sha256 ${file.sha256}`);
  return [`${name} from ${source}, ${characters} characters, is in ${folder}`, ...lines, ""].join("\n");
}
