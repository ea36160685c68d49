/** Which id a run has on Modal: one small file a run, so that a name is enough to follow it. */
import { mkdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../../documents/files.ts";
import { codedError } from "../../errors.ts";

const recordSchema = z.object({
  run: z.string(),
  backend: z.enum(["function", "sandbox"]),
  id: z.string().regex(/^(fc|sb)-/),
  app: z.string(),
  started_at: z.string(),
});

export type RunRecord = z.output<typeof recordSchema>;

const fileOf = (folder: string, run: string): string => join(resolve(folder), `${run}.modal.json`);

export async function writeRunRecord(folder: string, record: RunRecord): Promise<void> {
  await mkdir(resolve(folder), { recursive: true });
  await writeFileAtomic(fileOf(folder, record.run), `${JSON.stringify(record, null, 2)}\n`);
}

/** By name, or by id itself. Undefined where there is none; ERR_LAUNCH_RUN for a record that is damaged. */
export async function findRunRecord(folder: string, run: string): Promise<RunRecord | undefined> {
  if (/^(fc|sb)-/.test(run))
    return { run, backend: run.startsWith("sb-") ? "sandbox" : "function", id: run, app: "", started_at: "" };
  const file = fileOf(folder, run);
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw codedError("ERR_LAUNCH_RUN", `${file} is no record of a run`, {
      cause,
      cure: "Give the id (fc-… or sb-…) instead.",
    });
  }
}
