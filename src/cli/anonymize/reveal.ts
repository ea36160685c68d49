/** `anonymizer reveal`: what stands behind invented values, for who has the vault and its key. */
import { codedError, loadConfig, openVault, type VaultEntry } from "../../index.ts";
import { type Terminal, table } from "../terminal.ts";
import { exitCodes } from "./exit-codes.ts";

export interface RevealOptions {
  readonly vault?: string;
  readonly keyFile?: string;
  readonly vaultKeyFile?: string;
  readonly config?: string;
  readonly document?: string;
  readonly json?: boolean;
}

/** Resolves to 0 when something was found for every value asked for, else to 1. Rejects with ERR_VAULT_*, ERR_CONFIG_*. */
export async function reveal(fakes: readonly string[], options: RevealOptions, terminal: Terminal): Promise<number> {
  const overrides: Record<string, unknown> = {};
  if (options.vault !== undefined) overrides["vault"] = options.vault;
  if (options.keyFile !== undefined) overrides["key_file"] = options.keyFile;
  if (options.vaultKeyFile !== undefined) overrides["vault_key_file"] = options.vaultKeyFile;
  const config = await loadConfig(options.config ?? {}, "anonymizer", { overrides });
  if (config.vault === undefined) throw codedError("ERR_USAGE", "--vault is missing: the file to look into");
  const vault = await openVault(config);
  const { document } = options;
  const entries: VaultEntry[] = [];
  let missing = 0;
  for (const fake of fakes.length === 0 ? [undefined] : fakes) {
    const found = await vault.find({
      ...(fake === undefined ? {} : { fake }),
      ...(document === undefined ? {} : { document }),
    });
    if (found.length === 0) missing++;
    entries.push(...found);
  }
  terminal.stdout.write(options.json ? `${JSON.stringify({ entries }, null, 2)}\n` : asText(entries));
  if (missing > 0) terminal.stderr.write(`${missing} of ${Math.max(1, fakes.length)} not found in the vault\n`);
  return missing > 0 ? exitCodes.failed : exitCodes.fine;
}

function asText(entries: readonly VaultEntry[]): string {
  if (entries.length === 0) return "";
  const rows = entries.map(({ fake, original, type, document, page, box }) => [
    fake,
    original,
    type,
    document.name,
    String(page + 1),
    box.map(Math.round).join(","),
  ]);
  return `${table([["invented", "original", "type", "document", "page", "box"], ...rows])}\n`;
}
