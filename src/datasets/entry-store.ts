/**
 * A folder of small results that are expensive to make, kept between runs: key → bytes.
 *
 * `FOLDER/<group>/<first two digits>/<key>` holds one entry: a head with its key, length and SHA-256, then the bytes.
 * `FOLDER/<group>/recipe.json` says what the group's entries were made with. Entries are written beside their place and
 * renamed, so any number of processes may read and write at once; two that write the same key write the same bytes. They
 * are not flushed to the disk: what a power cut leaves half-written fails its checksum and is made again.
 *
 * The folder's size is bounded. When it is full, groups that nobody has used for an hour go first, the longest unused
 * one before the others; then nothing is added. (Dropping the least recently used entry would be worse: training goes
 * round in circles, and every entry would be dropped just before it is asked for.)
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, unlink, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { codedError } from "../errors.ts";
import { inParallel } from "../in-parallel.ts";
import { processLives } from "../process-lives.ts";

const magic = Buffer.from("ANENTRY1");
/** Magic, key, length, checksum. */
const headBytes = 8 + 32 + 8 + 32;
const groupPattern = /^[0-9a-f]{16}$/;
const keyPattern = /^[0-9a-f]{64}$/;
const temporaryPattern = /\.tmp-(\d+)-[0-9a-f]+$/;
const recipeFile = "recipe.json";
/** A group used within this time is not removed to make room. */
const inUseMs = 3_600_000;
/** Temporary files this old belong to nobody any more, whoever has the process id now. */
const abandonedMs = 600_000;
/** Share of the bound after which a process looks again what the others have written. */
const lookAgain = 1 / 64;
const atOnce = 8;

const sha256 = (data: Buffer | string): Buffer => createHash("sha256").update(data).digest();

/** Name of the group whose entries are made with `recipe`. */
export const groupOf = (recipe: unknown): string => sha256(JSON.stringify(recipe)).toString("hex").slice(0, 16);
/** Key of an entry of which `parts` say everything that its group's recipe does not. */
export const entryKey = (parts: unknown): string => sha256(JSON.stringify(parts)).toString("hex");

export interface DamagedEntry {
  /** Absolute path of the file. */
  readonly path: string;
  readonly reason: string;
}

export interface EntryStoreOptions {
  /** Group → what its entries are made with; the groups this user works in. */
  readonly groups: Readonly<Record<string, unknown>>;
  /** Bytes of all groups together, at most (each further process that writes may go beyond by 1/64). */
  readonly maxBytes: number;
  /** Leave damaged entries where they are; default: remove them, they are made again. */
  readonly keepDamaged?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: { readonly checked: number; readonly entries: number }) => void;
}

export class EntryStore {
  readonly folder: string;
  /** Entries found damaged since the store was opened, in opening and in reading. */
  readonly damaged: DamagedEntry[] = [];
  /** Why the last entry that was not kept was not kept. */
  refused: "full" | { readonly error: unknown } | undefined;
  /** Entries that were not kept. */
  refusals = 0;

  readonly #options: EntryStoreOptions;
  /** group/key → bytes on disk. */
  readonly #index = new Map<string, number>();
  #usedBytes = 0;
  /** Of entries being written. */
  #reserved = 0;
  #writtenSinceLook = 0;
  /** Of entries that reached the disk since the look under way began: it may have passed their place before. */
  #writtenWhileLooking = 0;
  #looking: Promise<void> | undefined;

  private constructor(folder: string, options: EntryStoreOptions) {
    this.folder = folder;
    this.#options = options;
  }

  /**
   * Opens `folder` (made where there is none) and checks every entry of the groups: head, length, checksum. Damaged ones
   * are listed in `damaged` and removed.
   *
   * @throws ERR_OUTPUT when the folder can't be used; ERR_ABORTED.
   */
  static async open(folder: string, options: EntryStoreOptions): Promise<EntryStore> {
    const store = new EntryStore(folder, options);
    try {
      for (const [group, recipe] of Object.entries(options.groups)) {
        await mkdir(join(folder, group), { recursive: true });
        await writeAtomic(join(folder, group, recipeFile), Buffer.from(`${JSON.stringify(recipe, null, 2)}\n`));
      }
    } catch (cause) {
      throw codedError("ERR_OUTPUT", `The cache folder ${folder} can't be used: ${reasonOf(cause)}`, { cause });
    }
    await store.#check();
    await store.#look();
    return store;
  }

  /** Entries of the opened groups, and the bytes of all groups. */
  get size(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#index.size, bytes: this.#usedBytes };
  }

  has(group: string, key: string): boolean {
    return this.#index.has(`${group}/${key}`);
  }

  /** An entry's bytes; undefined when there is none, or a damaged one (then it is noted and removed). */
  async read(group: string, key: string): Promise<Buffer | undefined> {
    const path = this.#path(group, key);
    const file = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      return error;
    });
    if (file === undefined) {
      this.#index.delete(`${group}/${key}`);
      return undefined;
    }
    const fault = file instanceof Error ? `it can't be read: ${reasonOf(file)}` : entryFault(file, key);
    if (fault === undefined) {
      this.#index.set(`${group}/${key}`, (file as Buffer).length);
      return (file as Buffer).subarray(headBytes);
    }
    await this.#discard(path, fault);
    this.#index.delete(`${group}/${key}`);
    return undefined;
  }

  /** Keeps an entry. False when it was not kept: `refused` says why. Never rejects for a full or broken disk. */
  async write(group: string, key: string, bytes: Buffer): Promise<boolean> {
    const name = `${group}/${key}`;
    const length = headBytes + bytes.length;
    if (!(await this.#reserve(length))) {
      this.refused = "full";
      this.refusals++;
      return false;
    }
    const head = Buffer.alloc(headBytes);
    magic.copy(head);
    Buffer.from(key, "hex").copy(head, 8);
    head.writeBigUInt64LE(BigInt(bytes.length), 40);
    sha256(bytes).copy(head, 48);
    try {
      await writeAtomic(this.#path(group, key), Buffer.concat([head, bytes]));
    } catch (error) {
      this.refused = { error };
      this.refusals++;
      return false;
    } finally {
      this.#reserved -= length;
    }
    this.#usedBytes += length - (this.#index.get(name) ?? 0);
    this.#writtenSinceLook += length;
    this.#writtenWhileLooking += length;
    this.#index.set(name, length);
    return true;
  }

  #path(group: string, key: string): string {
    return join(this.folder, group, key.slice(0, 2), key);
  }

  /** Takes room for an entry that is about to be written: others may be on their way to the disk too. */
  async #reserve(length: number): Promise<boolean> {
    const { maxBytes } = this.#options;
    const fits = (): boolean => this.#usedBytes + this.#reserved + length <= maxBytes;
    if (this.#writtenSinceLook > maxBytes * lookAgain) await this.#look();
    // Known to be full: another look, which may remove old groups, only when enough may have changed.
    if (!fits() && this.refused !== "full") await this.#look(this.#reserved + length);
    if (!fits()) return false;
    this.#reserved += length;
    return true;
  }

  /** Counts what is there, other processes' entries too; removes unused groups while `room` more bytes don't fit. */
  #look(room = 0): Promise<void> {
    this.#looking ??= (async () => {
      try {
        this.#writtenWhileLooking = 0;
        const groups = await listGroups(this.folder);
        const now = new Date();
        for (const group of Object.keys(this.#options.groups))
          await utimes(join(this.folder, group, recipeFile), now, now).catch(() => undefined);
        // What it saw of these is counted twice, rather than not at all; the next look knows.
        this.#usedBytes = groups.reduce((sum, group) => sum + group.bytes, this.#writtenWhileLooking);
        this.#writtenSinceLook = this.#writtenWhileLooking;
        const unused = groups
          .filter(({ name, usedMs }) => !(name in this.#options.groups) && now.getTime() - usedMs > inUseMs)
          .sort((a, b) => a.usedMs - b.usedMs);
        for (const group of unused) {
          if (this.#usedBytes + room <= this.#options.maxBytes) break;
          await removeGroup(this.folder, group.name);
          this.#usedBytes -= group.bytes;
        }
      } finally {
        this.#looking = undefined;
      }
    })();
    return this.#looking;
  }

  /** Reads every entry of the groups and removes what killed processes left. */
  async #check(): Promise<void> {
    const { signal, onProgress } = this.#options;
    const found: { group: string; key: string; path: string }[] = [];
    for (const group of Object.keys(this.#options.groups)) {
      for await (const { name, path } of filesOf(join(this.folder, group))) {
        if (keyPattern.test(name)) found.push({ group, key: name, path });
        else if (temporaryPattern.test(name)) await removeAbandoned(path, name);
      }
    }
    let checked = 0;
    const check = async ({ group, key }: { group: string; key: string }): Promise<void> => {
      await this.read(group, key);
      checked++;
      if (checked % 256 === 0) onProgress?.({ checked, entries: found.length });
    };
    await inParallel(found, atOnce, check, signal);
    onProgress?.({ checked, entries: found.length });
  }

  async #discard(path: string, reason: string): Promise<void> {
    this.damaged.push({ path, reason });
    if (this.#options.keepDamaged !== true) await unlink(path).catch(() => undefined);
  }
}

/** Removes groups of a cache folder (default all), and the folder when it is empty then. Returns what was removed. */
export async function clearStore(
  folder: string,
  groups?: readonly string[],
): Promise<{ entries: number; bytes: number }> {
  const removed = { entries: 0, bytes: 0 };
  for (const group of await listGroups(folder)) {
    if (groups !== undefined && !groups.includes(group.name)) continue;
    await removeGroup(folder, group.name);
    removed.entries += group.entries;
    removed.bytes += group.bytes;
  }
  await rmdir(folder).catch(() => undefined);
  return removed;
}

/** Why the bytes of a file are not the entry `key`. */
function entryFault(file: Buffer, key: string): string | undefined {
  if (file.length < headBytes || !file.subarray(0, 8).equals(magic)) return "it is no cache entry, or cut off";
  if (file.toString("hex", 8, 40) !== key) return "it is another entry than its name says";
  const length = Number(file.readBigUInt64LE(40));
  if (file.length - headBytes !== length) return `it has ${file.length - headBytes} bytes instead of ${length}`;
  if (!sha256(file.subarray(headBytes)).equals(file.subarray(48, 80))) return "its bytes don't match its checksum";
  return undefined;
}

async function writeAtomic(path: string, bytes: Buffer): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}-${randomBytes(6).toString("hex")}`;
  const put = async (): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, bytes);
    await rename(temporary, path);
  };
  // Once more when the folder vanished in between: another process may just have cleared the cache.
  await put()
    .catch((error: NodeJS.ErrnoException) => (error.code === "ENOENT" ? put() : Promise.reject(error)))
    .catch(async (error: unknown) => {
      await unlink(temporary).catch(() => undefined);
      throw error;
    });
}

async function removeAbandoned(path: string, name: string): Promise<void> {
  const pid = Number(temporaryPattern.exec(name)![1]);
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) return;
  if (Date.now() - info.mtimeMs > abandonedMs || !processLives(pid)) await unlink(path).catch(() => undefined);
}

interface Group {
  readonly name: string;
  readonly entries: number;
  readonly bytes: number;
  /** When it was last used, as Date.now(). */
  readonly usedMs: number;
}

/** Folders that are groups: by name and by holding a recipe. Nothing else is ever counted or removed. */
async function listGroups(folder: string): Promise<Group[]> {
  const groups: Group[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    if (!groupPattern.test(name)) continue;
    const recipe = await stat(join(folder, name, recipeFile)).catch(() => undefined);
    if (recipe === undefined) continue;
    let entries = 0;
    let bytes = 0;
    for await (const file of filesOf(join(folder, name))) {
      const info = await stat(file.path).catch(() => undefined);
      if (keyPattern.test(file.name)) entries++;
      bytes += info?.size ?? 0;
    }
    groups.push({ name, entries, bytes, usedMs: recipe.mtimeMs });
  }
  return groups;
}

/** The recipe goes last: a group half removed is still one, and can be removed again. */
async function removeGroup(folder: string, name: string): Promise<void> {
  const group = join(folder, name);
  for (const sub of await readdir(group).catch(() => []))
    if (sub !== recipeFile) await rm(join(group, sub), { recursive: true, force: true });
  await rm(group, { recursive: true, force: true });
}

async function* filesOf(group: string): AsyncGenerator<{ name: string; path: string }, void, void> {
  for (const sub of await readdir(group).catch(() => [])) {
    if (!/^[0-9a-f]{2}$/.test(sub)) continue;
    for (const name of await readdir(join(group, sub)).catch(() => [])) yield { name, path: join(group, sub, name) };
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
