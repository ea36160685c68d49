/** Writes a tar file whose bytes follow from names and contents alone: no times, no owners. */
import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import { Header, Pax } from "tar";

export const tarBlock = 512;
/** Two empty blocks end a tar file. */
const endBytes = 2 * tarBlock;
const mebi = 1 << 20;

const padding = (bytes: number): number => (tarBlock - (bytes % tarBlock)) % tarBlock;

/** What stands before the content of a file: a header, and where the name is long or not ASCII an extended one. */
export function tarHead(path: string, bytes: number): Buffer {
  const facts = { path, size: bytes, mode: 0o644, uid: 0, gid: 0, mtime: new Date(0), type: "File" as const };
  const block = Buffer.alloc(tarBlock);
  const header = new Header(facts);
  header.encode(block);
  if (!header.needPax) return block;
  return Buffer.concat([new Pax({ path, size: bytes, mtime: facts.mtime }).encode(), block]);
}

/** Bytes of a tar file in which this one is the only file. */
export const tarBytes = (path: string, bytes: number): number =>
  tarHead(path, bytes).length + bytes + padding(bytes) + endBytes;

export class TarWriter {
  readonly #file: FileHandle;
  readonly #hash = createHash("sha256");
  #bytes = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async create(path: string): Promise<TarWriter> {
    return new TarWriter(await open(path, "w", 0o644));
  }

  /** Bytes of the finished file if this one were added. */
  sizeWith(path: string, bytes: number): number {
    return this.#bytes + tarBytes(path, bytes);
  }

  /** Returns where the content begins. */
  async add(path: string, content: Buffer): Promise<number> {
    await this.#write(tarHead(path, content.length));
    const offset = this.#bytes;
    await this.#write(content);
    await this.#write(Buffer.alloc(padding(content.length)));
    return offset;
  }

  /** Ends and flushes the file. */
  async finish(): Promise<{ bytes: number; sha256: string }> {
    await this.#write(Buffer.alloc(endBytes));
    await this.#file.sync();
    await this.#file.close();
    return { bytes: this.#bytes, sha256: this.#hash.digest("hex") };
  }

  async abandon(): Promise<void> {
    await this.#file.close().catch(() => undefined);
  }

  async #write(data: Buffer): Promise<void> {
    for (let at = 0; at < data.length; at += mebi) {
      const piece = data.subarray(at, at + mebi);
      this.#hash.update(piece);
      await this.#file.writeFile(piece);
      this.#bytes += piece.length;
      if (data.length > mebi) await setImmediate();
    }
  }
}
