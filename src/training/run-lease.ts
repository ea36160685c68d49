/**
 * Who trains in a run folder, and for how long already: machines that share the folder keep out of each other's way by
 * it, and one that goes on knows how much time went before.
 */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type AnonymizerError, codedError } from "../errors.ts";
import { writeTextFile } from "../models/files.ts";

const leaseFile = "lease.json";

const leaseSchema = z.object({
  owner: z.string(),
  /** False: given back. */
  held: z.boolean(),
  /** The last sign of life. */
  beat_at: z.iso.datetime(),
  /** By all processes of this owner, one after another. */
  used_seconds: z.number().min(0),
});
type Lease = z.output<typeof leaseSchema>;

const defaultBeatMs = 30_000;
/** Without a sign of life for so long an owner counts as gone. */
export const staleLeaseMs = 180_000;

/**
 * Holds the folder for `owner` while `work` goes on. Its signal fires when another owner has taken the folder over: one
 * may do that when this process gave no sign of life for three minutes. The same owner takes over at once.
 *
 * Rejects with ERR_LOCKED while another owner holds the folder, or has taken it over; with ERR_OUTPUT when the file can't
 * be written; with what `work` rejects with.
 */
export async function withRunLease<T>(
  folder: string,
  owner: string,
  work: (lost: AbortSignal) => Promise<T>,
  beatMs = defaultBeatMs,
): Promise<T> {
  const file = join(folder, leaseFile);
  const before = await readLease(file);
  if (before !== undefined && before.owner !== owner) refuseWhileHeld(folder, before);
  const begun = performance.now();
  const usedBefore = before?.owner === owner ? before.used_seconds : 0;
  const write = (held: boolean): Promise<void> => {
    const used_seconds = usedBefore + (performance.now() - begun) / 1000;
    const lease: Lease = { owner, held, beat_at: new Date().toISOString(), used_seconds };
    return writeTextFile(file, `${JSON.stringify(lease, null, 2)}\n`);
  };
  const isOwn = async (): Promise<boolean> => ((await readLease(file))?.owner ?? owner) === owner;
  const lost = new AbortController();
  let beating: Promise<void> = Promise.resolve();
  const beat = async (): Promise<void> => {
    if (await isOwn()) await write(true);
    else lost.abort();
  };

  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw codedError("ERR_OUTPUT", `The folder ${folder} can't be made`, { cause });
  });
  await write(true);
  // A sign of life that can't be written is no reason to end the work; the next one may.
  const timer = setInterval(() => {
    beating = beating.then(beat).catch(() => undefined);
  }, beatMs);
  timer.unref();
  try {
    const result = await work(lost.signal);
    if (lost.signal.aborted) throw takenOver(folder);
    return result;
  } catch (error) {
    throw lost.signal.aborted ? takenOver(folder) : error;
  } finally {
    clearInterval(timer);
    await beating;
    if (await isOwn()) await write(false).catch(() => undefined);
  }
}

/** Undefined where there is none, or one that nobody can read. */
async function readLease(file: string): Promise<Lease | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return leaseSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function refuseWhileHeld(folder: string, { owner, held, beat_at }: Lease): void {
  const silentMs = Date.now() - Date.parse(beat_at);
  if (!held || silentMs >= staleLeaseMs) return;
  const seconds = (ms: number): number => Math.max(0, Math.ceil(ms / 1000));
  throw codedError(
    "ERR_LOCKED",
    `${owner} trains in ${folder}; its last sign of life is ${seconds(silentMs)} seconds old`,
    {
      cure: `Stop it first. If it is gone, start again in ${seconds(staleLeaseMs - silentMs)} seconds.`,
      details: { folder, owner },
    },
  );
}

const takenOver = (folder: string): AnonymizerError =>
  codedError("ERR_LOCKED", `Another run has taken over ${folder}`, { details: { folder } });
