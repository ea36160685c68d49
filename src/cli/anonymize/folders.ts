/** The folders a run writes to. */
import { mkdir, mkdtemp, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { type AnonymizerError, codedError, removeStaleTemporaries } from "../../index.ts";

/** Finds out, before the first document is read, whether files can be written to the folder. */
export async function writableFolder(folder: string): Promise<void> {
  await makeFolder(folder);
  try {
    await rmdir(await mkdtemp(join(folder, ".write-test-")));
  } catch (error) {
    throw cantWrite(folder, error);
  }
}

/** Makes the folder; clears away what a killed run left there. */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw cantWrite(folder, error);
  }
  await removeStaleTemporaries(folder);
}

function cantWrite(folder: string, cause: unknown): AnonymizerError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return codedError("ERR_OUTPUT", `${folder} can't be written to: ${message}`, { cause, details: { folder } });
}
