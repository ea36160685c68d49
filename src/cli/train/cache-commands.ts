/** `anonymizer-train cache …` */
import {
  buildLatentCache,
  type CacheProgress,
  clearLatentCache,
  codedError,
  createProgress,
  formatBytes,
  loadConfig,
  parseOverrides,
  type UNetTrainerConfig,
  verifyLatentCache,
} from "../../index.ts";
import type { Terminal } from "../terminal.ts";

export interface CacheCommandOptions {
  readonly config: string;
  readonly set: readonly string[];
}

const read = (options: CacheCommandOptions): Promise<UNetTrainerConfig> =>
  loadConfig(options.config, "unet", { overrides: parseOverrides(options.set) });

/** Makes what is missing; prints the cache's folder. */
export async function buildCache(options: CacheCommandOptions, terminal: Terminal, signal: AbortSignal): Promise<void> {
  const show = progressLines(terminal);
  const report = await buildLatentCache(await read(options), { signal, onProgress: show.update });
  show.end(
    `${report.samples - report.missing} of ${report.samples} samples cached, ${report.made} made now; ${report.entries} entries, ${formatBytes(report.bytes)}`,
  );
  for (const { path, reason } of report.damaged) terminal.stderr.write(`made again: ${path} (${reason})\n`);
  for (const [reason, count] of Object.entries(report.skipped)) terminal.stderr.write(`left out ${count}: ${reason}\n`);
  if (report.notKept > 0)
    terminal.stderr.write(`${report.notKept} entries were not kept: raise cache.max_bytes, or look at the disk\n`);
  terminal.stdout.write(`${report.folder}\n`);
}

/** Reads every entry. Fails when one is damaged; what is only missing is counted. */
export async function verifyCache(
  options: CacheCommandOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const show = progressLines(terminal);
  const { entries, bytes, samples, missing, damaged, folder } = await verifyLatentCache(await read(options), {
    signal,
    onProgress: show.update,
  });
  show.end(`${entries} whole entries, ${formatBytes(bytes)}; ${samples - missing} of ${samples} samples cached`);
  for (const { path, reason } of damaged) terminal.stderr.write(`damaged: ${path} (${reason})\n`);
  if (damaged.length > 0) {
    throw codedError("ERR_CACHE_DAMAGED", `${damaged.length} entries of the cache ${folder} are damaged`, {
      details: { folder, damaged },
    });
  }
  terminal.stdout.write(`${folder}\n`);
}

/** Removes the configuration's entries, or with --all those of every one. */
export async function clearCache(
  options: CacheCommandOptions & { readonly all?: boolean },
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const { folder, entries, bytes } = await clearLatentCache(await read(options), {
    signal,
    all: options.all === true,
  });
  terminal.stderr.write(`removed ${entries} entries, ${formatBytes(bytes)}\n`);
  terminal.stdout.write(`${folder}\n`);
}

function progressLines(terminal: Terminal): { update(progress: CacheProgress): void; end(text: string): void } {
  let stage: CacheProgress["stage"] | undefined;
  let progress = createProgress({ label: "cache", total: 0, stream: terminal.stderr });
  let started = 0;
  return {
    update({ stage: now, done, total }) {
      if (now !== stage) {
        if (stage !== undefined) progress.end();
        stage = now;
        started = performance.now();
        const label = now === "check" ? "checking entries" : "samples";
        progress = createProgress({ label, total, stream: terminal.stderr });
      }
      const perSample = (performance.now() - started) / 1000 / Math.max(1, done);
      progress.update(done, "", (total - done) * perSample);
    },
    end: (text) => progress.end(text),
  };
}
