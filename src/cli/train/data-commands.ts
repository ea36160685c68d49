/** `anonymizer-train data …` */

import { createProgress, importDataset, writeSyntheticDataset } from "../../index.ts";
import type { Terminal } from "../terminal.ts";

export interface SynthCommandOptions {
  readonly out: string;
  readonly count: number;
  readonly seed: number;
}

export interface ImportCommandOptions {
  readonly format: "sroie" | "funsd";
  readonly source: string;
  readonly out: string;
}

/** Draws documents; prints the manifest's path. */
export async function synthData(options: SynthCommandOptions, terminal: Terminal, signal: AbortSignal): Promise<void> {
  const progress = createProgress({ label: "documents", total: options.count, stream: terminal.stderr });
  const started = performance.now();
  const { manifest, kept, bySplit } = await writeSyntheticDataset({
    ...options,
    signal,
    onProgress: ({ done, total, kept }) => {
      const seconds = (performance.now() - started) / 1000;
      progress.update(done, "", done > kept ? (seconds / (done - kept)) * (total - done) : undefined);
    },
  });
  const splits = Object.entries(bySplit).map(([split, count]) => `${count} ${split}`);
  progress.end(`${splits.join(", ")}${kept === 0 ? "" : `; ${kept} were there already`}`);
  terminal.stdout.write(`${manifest}\n`);
}

/** Converts a dataset; prints the manifest's path. Boxes that don't fit their page are left out and counted. */
export async function importData(
  options: ImportCommandOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const { manifest, records, regions, dropped } = await importDataset({ ...options, onBadBox: "drop", signal });
  terminal.stderr.write(`${records} pages, ${regions} regions\n`);
  for (const [reason, count] of Object.entries(dropped)) terminal.stderr.write(`left out ${count}: ${reason}\n`);
  terminal.stdout.write(`${manifest}\n`);
}
