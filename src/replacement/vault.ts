/**
 * The vault: which invented value stands for which original, encrypted, for those who may look it up again.
 *
 * Several processes may add to one vault; they take turns by a lock beside it. vault-file.ts has the format.
 */
import { createHash } from "node:crypto";
import { type FileHandle, open, stat } from "node:fs/promises";
import { z } from "zod";
import { entityTypes } from "../detection/entity.ts";
import { codedError, systemCode } from "../errors.ts";
import { lockFile } from "../file-lock.ts";
import { plain } from "./normalise.ts";
import type { FakeOwners } from "./owners.ts";
import { ownerOf, sharesNobody } from "./pseudonyms.ts";
import { appendBlock, chainStart, createVaultFile, readBlocks, readVaultState, type VaultState } from "./vault-file.ts";

const entrySchema = z.object({
  fake: z.string(),
  original: z.string(),
  type: z.enum(entityTypes),
  document: z.object({ name: z.string(), sha256: z.string() }),
  page: z.int().min(0),
  box: z.tuple([z.number(), z.number(), z.number(), z.number()]),
});

/** One replaced value. `document` names the input; `page` is 0-based; `box` is [x0, y0, x1, y1] in page pixels. */
export type VaultEntry = z.output<typeof entrySchema>;

export interface OpenVaultOptions {
  /** Make the vault where there is none. Default false. */
  readonly create?: boolean;
}

export interface VaultQuery {
  /** An invented value; case, spaces and punctuation don't count. */
  readonly fake?: string;
  /** Name or SHA-256 of an input document. */
  readonly document?: string;
}

/** Entries of one block; blocks are small, so that reading one never holds the event loop. */
const entriesPerBlock = 200;

export class Vault {
  readonly file: string;
  readonly #key: string;
  #state: VaultState;
  /** What was read or written so far: owners of invented values, and entries that need not be written again. */
  readonly #owners = new Map<string, string>();
  readonly #written = new Set<string>();
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(file: string, key: string, state: VaultState) {
    this.file = file;
    this.#key = key;
    this.#state = state;
  }

  /**
   * Opens a vault and checks all of it. `key` is the secret it was made with, at least 16 characters.
   * Rejects with ERR_VAULT_NOT_FOUND, ERR_VAULT_KEY, ERR_VAULT_DAMAGED, ERR_INVALID_ARGUMENT; with `create` ERR_OUTPUT.
   */
  static async open(file: string, key: string, options: OpenVaultOptions = {}): Promise<Vault> {
    if (key.length < 16) throw codedError("ERR_INVALID_ARGUMENT", "A vault's key has at least 16 characters");
    const missing = await stat(file).then(
      () => false,
      (error: unknown) => systemCode(error) === "ENOENT",
    );
    if (options.create && missing) await createVaultFile(file, key);
    return withFile(file, "r", async (handle) => {
      const vault = new Vault(file, key, { ...(await readVaultState(handle, file, key)), ...chainStart() });
      await vault.#refresh(handle);
      return vault;
    });
  }

  /** The entries that fit the query (all without one), in the order they were made. Rejects as `open` does. */
  async find(query: VaultQuery = {}): Promise<VaultEntry[]> {
    const fake = query.fake === undefined ? undefined : plain(query.fake);
    const found: VaultEntry[] = [];
    await withFile(this.file, "r", async (handle) => {
      const state = await readVaultState(handle, this.file, this.#key);
      await readBlocks(handle, this.file, state, chainStart(), (text) => {
        for (const entry of this.#parse(text)) {
          const { name, sha256 } = entry.document;
          if (fake !== undefined && plain(entry.fake) !== fake) continue;
          if (query.document !== undefined && query.document !== name && query.document !== sha256) continue;
          found.push(entry);
        }
      });
    });
    return found;
  }

  /**
   * Runs `work` while no other process can add to the vault, then adds the entries it gives. `owners` knows what all
   * processes have claimed. Rejects with ERR_LOCKED (another process held it for 30 s), ERR_OUTPUT, ERR_VAULT_*,
   * ERR_ABORTED while waiting, and what `work` throws.
   */
  update<T>(
    work: (owners: FakeOwners) => T | Promise<T>,
    entriesOf: (result: T) => readonly VaultEntry[],
    signal?: AbortSignal,
  ): Promise<T> {
    const turn = this.#turn.then(() => this.#update(work, entriesOf, signal));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** As of the last update. */
  get owners(): FakeOwners {
    return {
      isTaken: (fake, owner) => (this.#owners.get(fake) ?? owner) !== owner,
      claim: (fake, owner) => {
        if (!this.#owners.has(fake)) this.#owners.set(fake, owner);
      },
    };
  }

  async #update<T>(
    work: (owners: FakeOwners) => T | Promise<T>,
    entriesOf: (result: T) => readonly VaultEntry[],
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const lock = await lockFile(vaultLock(this.file), signal ? { signal } : {});
    try {
      return await withFile(this.file, "r+", async (handle) => {
        await this.#refresh(handle);
        const result = await work(this.owners);
        const fresh = entriesOf(result).filter((entry) => !this.#written.has(identity(entry)));
        for (let from = 0; from < fresh.length; from += entriesPerBlock) {
          const entries = fresh.slice(from, from + entriesPerBlock);
          await lock.check();
          this.#state = await this.#append(handle, entries);
          for (const entry of entries) this.#remember(entry);
        }
        return result;
      });
    } finally {
      await lock.release();
    }
  }

  async #append(handle: FileHandle, entries: readonly VaultEntry[]): Promise<VaultState> {
    try {
      return await appendBlock(handle, this.#state, Buffer.from(JSON.stringify(entries)));
    } catch (cause) {
      throw codedError("ERR_OUTPUT", `The vault ${this.file} can't be written (${systemCode(cause)})`, { cause });
    }
  }

  /** Reads what was added since the last look. */
  async #refresh(handle: FileHandle): Promise<void> {
    const state = await readVaultState(handle, this.file, this.#key);
    const replaced = !state.header.equals(this.#state.header);
    if (replaced || state.end < this.#state.end) {
      throw codedError("ERR_VAULT_DAMAGED", `${this.file} was replaced by another vault, or an older one, meanwhile`);
    }
    this.#state = await readBlocks(handle, this.file, state, this.#state, (text) => {
      for (const entry of this.#parse(text)) this.#remember(entry);
    });
  }

  #remember(entry: VaultEntry): void {
    this.#written.add(identity(entry));
    if (!sharesNobody(entry.type, entry.fake))
      this.owners.claim(plain(entry.fake), ownerOf(entry.type, entry.original));
  }

  #parse(text: Buffer): VaultEntry[] {
    try {
      return z.array(entrySchema).parse(JSON.parse(text.toString("utf8")));
    } catch {
      // The cause would quote what it could not read.
      throw codedError("ERR_VAULT_DAMAGED", `${this.file} holds entries that can't be read`);
    }
  }
}

/** What keeps two from writing to a vault at the same time. */
export const vaultLock = (file: string): string => `${file}.lock`;

const identity = (entry: VaultEntry): string =>
  createHash("sha256")
    .update(JSON.stringify(entrySchema.parse(entry)))
    .digest("base64url");

async function withFile<T>(file: string, flags: string, work: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await open(file, flags).catch((cause: unknown) => {
    throw codedError("ERR_VAULT_NOT_FOUND", `The vault ${file} can't be opened (${systemCode(cause)})`, { cause });
  });
  try {
    return await work(handle);
  } finally {
    await handle.close();
  }
}
