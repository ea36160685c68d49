/** The key that decides the invented values: from code, a private file, or the environment. Never from YAML. */
import { open } from "node:fs/promises";
import { codedError } from "../errors.ts";

const maxKeyBytes = 4096;
const minKeyLength = 16;

/**
 * The key of a configuration: `key`, else the content of `key_file` (trimmed; the file must not be readable by group or
 * others), else the environment's ANONYMIZER_KEY, else undefined. Throws ERR_CONFIG_INVALID or ERR_CONFIG_NOT_FOUND; no
 * error contains the key.
 */
export async function resolveKey(
  config: { readonly key?: string | undefined; readonly key_file?: string | undefined },
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string | undefined> {
  if (config.key !== undefined) return checked(config.key, "key");
  if (config.key_file !== undefined) return checked(await readKeyFile(config.key_file), config.key_file);
  const fromEnvironment = environment["ANONYMIZER_KEY"];
  return fromEnvironment === undefined || fromEnvironment === ""
    ? undefined
    : checked(fromEnvironment, "ANONYMIZER_KEY");
}

/**
 * The key of the vault: the content of `vault_key_file`, else the environment's ANONYMIZER_VAULT_KEY, else `key`, that of
 * the invented values. Throws as `resolveKey` does, and ERR_CONFIG_INVALID where there is none.
 */
export async function resolveVaultKey(
  config: { readonly vault_key_file?: string | undefined },
  key: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<string> {
  if (config.vault_key_file !== undefined)
    return checked(await readKeyFile(config.vault_key_file), config.vault_key_file);
  const fromEnvironment = environment["ANONYMIZER_VAULT_KEY"];
  if (fromEnvironment !== undefined && fromEnvironment !== "") return checked(fromEnvironment, "ANONYMIZER_VAULT_KEY");
  if (key !== undefined) return key;
  const message = "vault: needs a key; give key_file or ANONYMIZER_KEY, or vault_key_file or ANONYMIZER_VAULT_KEY";
  throw codedError("ERR_CONFIG_INVALID", message);
}

function checked(key: string, source: string): string {
  if (key.length < minKeyLength) {
    throw codedError("ERR_CONFIG_INVALID", `${source}: a key has at least ${minKeyLength} characters`);
  }
  return key;
}

/** The trimmed content of a file that only its owner can read. Throws ERR_CONFIG_INVALID or ERR_CONFIG_NOT_FOUND. */
export async function readKeyFile(file: string): Promise<string> {
  const handle = await open(file, "r").catch((error: unknown) => {
    throw codedError("ERR_CONFIG_NOT_FOUND", `${file} can't be read`, { cause: error, details: { file } });
  });
  try {
    const stat = await handle.stat();
    if ((stat.mode & 0o077) !== 0) {
      throw codedError("ERR_CONFIG_INVALID", `${file} can be read by others; run \`chmod 600 ${file}\``, {
        details: { file, mode: (stat.mode & 0o777).toString(8) },
      });
    }
    if (!stat.isFile() || stat.size > maxKeyBytes) {
      throw codedError("ERR_CONFIG_INVALID", `${file} is not a key file (at most ${maxKeyBytes} bytes)`);
    }
    return (await handle.readFile("utf8")).trim();
  } finally {
    await handle.close();
  }
}
