/**
 * The scores of the documents done so far, so that a long evaluation can be stopped and goes on where it was: a file of
 * JSON lines, one a document, without text of the documents. `settings` tells apart evaluations that can't be mixed.
 */
import { createHash } from "node:crypto";
import { appendFile, readFile } from "node:fs/promises";
import { z } from "zod";
import { configHash } from "../anonymizer/identity.ts";
import type { AnonymizerConfig } from "../config/anonymizer-config.ts";
import { codedError } from "../errors.ts";
import { packageVersion } from "../telemetry/package-version.ts";
import { type DocumentScore, documentScoreSchema } from "./document-score.ts";

const lineSchema = z.object({ settings: z.string(), score: documentScoreSchema });

export interface ScoreJournal {
  /** Scores of the same settings, by id. */
  readonly done: ReadonlyMap<string, DocumentScore>;
  add(score: DocumentScore): Promise<void>;
}

/** Without a path nothing is kept. Rejects with ERR_OUTPUT when the file can't be read or added to. */
export async function openScoreJournal(
  path: string | undefined,
  config: AnonymizerConfig,
  engines: readonly string[],
): Promise<ScoreJournal> {
  if (path === undefined) return { done: new Map(), add: async () => {} };
  const settings = createHash("sha256")
    .update(JSON.stringify([configHash(config), engines, packageVersion]))
    .digest("hex")
    .slice(0, 16);
  const trouble = (cause: unknown) => codedError("ERR_OUTPUT", `${path} can't be read or added to`, { cause });
  let text = "";
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw trouble(error);
  }
  const done = new Map<string, DocumentScore>();
  for (const line of text.split("\n")) {
    const score = parseLine(line, settings);
    if (score !== undefined) done.set(score.id, score);
  }
  // After a line that a kill cut short.
  let start = text === "" || text.endsWith("\n") ? "" : "\n";
  return {
    done,
    async add(score) {
      // What failed is tried again.
      if (score.outcome === "failed") return;
      const line = `${start}${JSON.stringify({ settings, score })}\n`;
      start = "";
      await appendFile(path, line, { mode: 0o600 }).catch((error: unknown) => {
        throw trouble(error);
      });
    },
  };
}

/** Undefined for other settings and for what is no whole line. */
function parseLine(line: string, settings: string): DocumentScore | undefined {
  try {
    const parsed = lineSchema.safeParse(JSON.parse(line));
    return parsed.success && parsed.data.settings === settings ? parsed.data.score : undefined;
  } catch {
    return undefined;
  }
}
