/**
 * What is done in an output folder, so that a run that was stopped or killed goes on where it was.
 *
 * `.anonymizer-run.jsonl` gets a line when a document is ready, synced before its result is put in its place. A document
 * is finished when its line is there and its result has the hash the line tells. So a kill at any moment leaves either a
 * finished document or one that is done again; results are renamed into place whole. The lines hold names, hashes and
 * counts, no text of a document; `claims` are keyed hashes (see `Anonymizer.takeClaims`).
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import {
  type Anonymizer,
  type Claim,
  codedError,
  configHash,
  type FileLock,
  lockFile,
  packageVersion,
  type Report,
} from "../../index.ts";

export interface Places {
  readonly input: string;
  readonly output: string;
  /** Undefined when no report is wanted. */
  readonly report: string | undefined;
}

/** What the summary tells of a document. */
export interface Facts {
  readonly proven: boolean;
  readonly unproven_because: readonly string[];
  readonly confidence: number;
  readonly entities: Readonly<Record<string, number>>;
}

interface Line extends Facts {
  /** Relative to the output folder. */
  readonly output: string;
  readonly output_sha256: string;
  readonly input_sha256: string;
  /** What else decides the result. */
  readonly settings: string;
  readonly claims: readonly Claim[];
}

const lineSchema: z.ZodType<Line> = z.object({
  output: z.string(),
  output_sha256: z.string(),
  input_sha256: z.string(),
  settings: z.string(),
  proven: z.boolean(),
  unproven_because: z.array(z.string()),
  confidence: z.number(),
  entities: z.record(z.string(), z.number()),
  claims: z.array(z.tuple([z.string(), z.string()])),
});

const name = ".anonymizer-run.jsonl";

export class Journal {
  readonly #lines = new Map<string, Line>();
  /** By output: hashes of all results ever put there. */
  readonly #ours = new Map<string, Set<string>>();
  readonly #claims: Claim[] = [];
  readonly #handle: FileHandle;
  readonly #lock: FileLock;
  #needsBreak = false;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(handle: FileHandle, lock: FileLock) {
    this.#handle = handle;
    this.#lock = lock;
  }

  /** Rejects with ERR_LOCKED when another run works in the folder, ERR_OUTPUT. */
  static async open(folder: string): Promise<Journal> {
    const lock = await lockFile(join(folder, ".anonymizer-run.lock"), { waitMs: 0 });
    try {
      const path = join(folder, name);
      const text = await readFile(path, "utf8").catch(() => "");
      const journal = new Journal(await open(path, "a", 0o600), lock);
      for (const line of text.split("\n")) journal.#read(line);
      journal.#needsBreak = text !== "" && !text.endsWith("\n");
      return journal;
    } catch (cause) {
      await lock.release();
      throw codedError("ERR_OUTPUT", `${join(folder, name)} can't be written`, { cause });
    }
  }

  /** Of all documents done before. */
  get claims(): readonly Claim[] {
    return this.#claims;
  }

  #read(text: string): void {
    let line: Line;
    try {
      line = lineSchema.parse(JSON.parse(text));
    } catch {
      // Cut off by a kill, or damaged: its document is done again.
      return;
    }
    this.#remember(line);
    this.#claims.push(...line.claims);
  }

  #remember(line: Line): void {
    this.#lines.set(line.output, line);
    const ours = this.#ours.get(line.output) ?? new Set();
    this.#ours.set(line.output, ours.add(line.output_sha256));
  }

  /**
   * The facts of a document that an earlier run finished: the same input, configuration, key, engine and version, and
   * the result lies there unchanged (or, for an unproven document, none lies there).
   */
  async finished(at: string, places: Places, anonymizer: Anonymizer): Promise<Facts | undefined> {
    const line = await this.#unchanged(at, places, anonymizer);
    if (line === undefined || (await fileHash(places.input)) !== line.input_sha256) return undefined;
    if (places.report !== undefined && !(await exists(places.report))) return undefined;
    return line;
  }

  /** Whether what lies there is what this run would have to make, as far as can be told: the input may be unreadable. */
  async answers(at: string, places: Places, anonymizer: Anonymizer): Promise<boolean> {
    const line = await this.#unchanged(at, places, anonymizer);
    if (line === undefined) return false;
    const input = await fileHash(places.input);
    return input === undefined || input === line.input_sha256;
  }

  /** The line of a result that was made with these settings and lies there as it was made. */
  async #unchanged(at: string, places: Places, anonymizer: Anonymizer): Promise<Line | undefined> {
    const line = this.#lines.get(at);
    if (line === undefined || line.settings !== settingsOf(anonymizer)) return undefined;
    const output = await fileHash(places.output);
    return output === (line.proven ? line.output_sha256 : undefined) ? line : undefined;
  }

  /** Notes a document whose result is about to be put in its place. Rejects with ERR_OUTPUT, ERR_LOCKED. */
  async note(at: string, report: Report, anonymizer: Anonymizer): Promise<Facts> {
    const line: Line = {
      output: at,
      output_sha256: report.output.sha256,
      input_sha256: report.document.sha256,
      settings: settingsOf(anonymizer),
      proven: report.proven,
      unproven_because: report.unproven_because,
      confidence: report.confidence,
      entities: countTypes(report.entities),
      claims: anonymizer.takeClaims(),
    };
    const turn = this.#turn.then(() => this.#append(line));
    this.#turn = turn.catch(() => {});
    await turn;
    return line;
  }

  async #append(line: Line): Promise<void> {
    await this.#lock.check();
    try {
      await this.#handle.appendFile(`${this.#needsBreak ? "\n" : ""}${JSON.stringify(line)}\n`);
      this.#needsBreak = false;
      await this.#handle.datasync();
    } catch (cause) {
      this.#needsBreak = true;
      throw codedError("ERR_OUTPUT", "The run's journal could not be written", { cause });
    }
    this.#remember(line);
  }

  /** Removes the result of an earlier run, recognised by its hash, when there is no new one. Rejects with ERR_OUTPUT. */
  async removeStale(at: string, output: string): Promise<void> {
    const hash = await fileHash(output);
    if (hash === undefined || !this.#ours.get(at)?.has(hash)) return;
    await rm(output, { force: true }).catch((cause: unknown) => {
      throw codedError("ERR_OUTPUT", `${output} is of an earlier run and can't be removed`, { cause });
    });
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#handle.close();
    await this.#lock.release();
  }
}

const settingsOf = (anonymizer: Anonymizer): string =>
  [packageVersion, configHash(anonymizer.config), anonymizer.keyId ?? "no key", anonymizer.engine.chosen].join(" ");

export function countTypes(entities: readonly { readonly type: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of entities) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

async function fileHash(path: string): Promise<string | undefined> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(path), hash);
  } catch {
    return undefined;
  }
  return hash.digest("hex");
}
