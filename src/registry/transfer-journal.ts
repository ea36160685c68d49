/**
 * Which parts of a transfer have arrived: a file of JSON lines, the first says what is transferred, each other names a
 * part. Lines are appended one by one; a last line that a kill cut off does not count.
 */

import type { FileHandle } from "node:fs/promises";
import { open, readFile, rm } from "node:fs/promises";
import { codedError } from "../errors.ts";

export interface PartLine {
  /** From 1. */
  readonly part: number;
  readonly etag?: string;
  /** Hex, of what was sent. */
  readonly sha256?: string;
}

export class TransferJournal<H extends object> {
  readonly header: H;
  readonly parts: ReadonlyMap<number, PartLine>;
  readonly #handle: FileHandle;
  readonly #path: string;

  private constructor(path: string, handle: FileHandle, header: H, parts: ReadonlyMap<number, PartLine>) {
    this.#path = path;
    this.#handle = handle;
    this.header = header;
    this.parts = parts;
  }

  /** What stands in the file; undefined where there is none that can be used. */
  static async peek<H extends object>(path: string): Promise<{ header: H; parts: Map<number, PartLine> } | undefined> {
    const text = await readFile(path, "utf8").catch(() => "");
    const lines = text.split("\n").slice(0, -1);
    try {
      const header = JSON.parse(lines[0] ?? "") as H;
      const parts = new Map<number, PartLine>();
      for (const line of lines.slice(1)) {
        const part = JSON.parse(line) as PartLine;
        parts.set(part.part, part);
      }
      return header !== null && typeof header === "object" ? { header, parts } : undefined;
    } catch {
      return undefined;
    }
  }

  /** Begins anew with `header`, or goes on after `parts`: the file is written again, without a line that was cut off. */
  static async begin<H extends object>(
    path: string,
    header: H,
    parts: ReadonlyMap<number, PartLine> = new Map(),
  ): Promise<TransferJournal<H>> {
    try {
      const handle = await open(path, "w", 0o600);
      const lines = [header, ...parts.values()].map((line) => `${JSON.stringify(line)}\n`);
      await handle.writeFile(lines.join(""));
      await handle.sync();
      return new TransferJournal(path, handle, header, new Map(parts));
    } catch (cause) {
      throw codedError("ERR_OUTPUT", `${path}, which a transfer is resumed from, can't be written`, { cause });
    }
  }

  /** Call it once the part is safe where it belongs. */
  async add(line: PartLine): Promise<void> {
    await this.#handle.appendFile(`${JSON.stringify(line)}\n`);
  }

  async close(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
  }

  async remove(): Promise<void> {
    await this.close();
    await rm(this.#path, { force: true });
  }
}
