/** Remembers over documents who got which invented value: in the vault, in what the caller brought, or not at all. */
import type { AnonymizerConfig } from "../config/anonymizer-config.ts";
import { resolveKey, resolveVaultKey } from "../config/secret-key.ts";
import type { DecodedDocument } from "../documents/document.ts";
import { codedError } from "../errors.ts";
import { type FakeOwners, readOnlyOwners } from "../replacement/owners.ts";
import type { Pseudonymizer } from "../replacement/pseudonyms.ts";
import type { Replacement } from "../replacement/replacement.ts";
import { type OpenVaultOptions, Vault, type VaultEntry } from "../replacement/vault.ts";

type DocumentName = Pick<DecodedDocument, "name" | "sha256">;

export interface Memory {
  /** Runs `make` with a pseudonymizer that knows all earlier documents, and remembers what it made before it resolves. */
  keep<T>(
    document: DocumentName,
    make: (pseudonymizer: Pseudonymizer) => Promise<T>,
    replacementsOf: (result: T) => readonly Replacement[],
    signal?: AbortSignal,
  ): Promise<T>;
  /** The same without remembering anything. */
  look<T>(make: (pseudonymizer: Pseudonymizer) => Promise<T>): Promise<T>;
}

export interface MemoryParts {
  readonly vault?: Vault | undefined;
  readonly owners?: FakeOwners | undefined;
}

export function createMemory(pseudonymizer: Pseudonymizer, { vault, owners }: MemoryParts): Memory {
  const knowing = (known: FakeOwners | undefined): Pseudonymizer =>
    known === undefined
      ? pseudonymizer
      : { replace: (entities, context) => pseudonymizer.replace(entities, { ...context, owners: known }) };
  return {
    async keep(document, make, replacementsOf, signal) {
      if (vault === undefined) return make(knowing(owners));
      return vault.update(
        (known) => make(knowing(known)),
        (result) => replacementsOf(result).map((replacement) => entryOf(document, replacement)),
        signal,
      );
    },
    async look(make) {
      const known = vault?.owners ?? owners;
      return make(knowing(known && readOnlyOwners(known)));
    },
  };
}

function entryOf({ name, sha256 }: DocumentName, { entity, fake }: Replacement): VaultEntry {
  const [x0, y0, x1, y1] = entity.box;
  return {
    fake,
    original: entity.text,
    type: entity.type,
    document: { name, sha256 },
    page: entity.page,
    box: [x0, y0, x1, y1],
  };
}

/**
 * Opens the vault that a configuration names, with the key it names (see `resolveVaultKey`).
 * Rejects with ERR_CONFIG_INVALID where there is no vault or no key in it, ERR_CONFIG_NOT_FOUND, ERR_VAULT_*.
 */
export async function openVault(
  config: Pick<AnonymizerConfig, "vault" | "vault_key_file" | "key" | "key_file">,
  options: OpenVaultOptions = {},
): Promise<Vault> {
  if (config.vault === undefined) throw codedError("ERR_CONFIG_INVALID", "vault: no file is named");
  return Vault.open(config.vault, await resolveVaultKey(config, await resolveKey(config)), options);
}
