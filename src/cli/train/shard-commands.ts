/** `anonymizer-train data pack|push|pull|verify`: datasets in shards. */
import {
  codedError,
  createProgress,
  formatBytes,
  packDataset,
  pullShards,
  pushShards,
  verifyShards,
} from "../../index.ts";
import type { Terminal } from "../terminal.ts";

interface StoreCommandOptions {
  readonly credentials?: string;
  readonly json?: boolean;
}

export interface PackCommandOptions extends StoreCommandOptions {
  readonly out: string;
  readonly shardMib: number;
  readonly dryRun?: boolean;
  readonly replace?: boolean;
}

const storeOf = ({ credentials }: StoreCommandOptions) =>
  credentials === undefined ? {} : { store: { credentialsFile: credentials } };

/** Packs; prints the path or address of the index. */
export async function packData(
  source: string,
  { out, shardMib, dryRun = false, replace = false, ...options }: PackCommandOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const show = bar("images", terminal);
  const report = await packDataset({
    source,
    out,
    shardBytes: shardMib * 2 ** 20,
    dryRun,
    replace,
    signal,
    ...storeOf(options),
    onProgress: ({ done, total, shards, bytes }) => show.update(done, total, `${shards} shards, ${formatBytes(bytes)}`),
  });
  const splits = Object.entries(report.shardsBySplit).map(([split, count]) => `${count} ${split}`);
  const what = `${report.images} images of ${report.records} records in ${report.shards} shards (${splits.join(", ")}), ${formatBytes(report.bytes)}`;
  const note = dryRun ? "; nothing was written" : report.resumed > 0 ? `; ${report.resumed} shards were there` : "";
  show.end(`${what}${note}`);
  for (const [reason, count] of Object.entries(report.leftOut)) terminal.stderr.write(`left out ${count}: ${reason}\n`);
  print(terminal, options, report, report.index);
}

/** Sends; prints the address of the index. */
export async function pushData(
  folder: string,
  address: string,
  options: StoreCommandOptions & { readonly replace?: boolean },
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const show = bar("push", terminal);
  const report = await pushShards(folder, address, {
    signal,
    replace: options.replace === true,
    ...storeOf(options),
    onProgress: show.moved,
  });
  show.end(`${report.files} files, ${formatBytes(report.bytes)}; ${report.skipped} were there already`);
  print(terminal, options, report, report.index);
}

/** Fetches; prints the path of the index. */
export async function pullData(
  address: string,
  options: StoreCommandOptions & { readonly out: string },
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const show = bar("pull", terminal);
  const report = await pullShards(address, options.out, { signal, ...storeOf(options), onProgress: show.moved });
  show.end(`${report.files} files, ${formatBytes(report.bytes)}; ${report.skipped} were there already`);
  print(terminal, options, report, report.index);
}

/** Reads all again; fails when something is damaged, and names it. */
export async function verifyData(
  location: string,
  options: StoreCommandOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const show = bar("verify", terminal);
  const report = await verifyShards(location, { signal, ...storeOf(options), onProgress: show.moved });
  const { files, images, bytes, damaged } = report;
  show.end(`${files} files with ${images} images read, ${formatBytes(bytes)}; ${damaged.length} damaged`);
  for (const { where, image, reason } of damaged)
    terminal.stderr.write(`damaged: ${where}${image === undefined ? "" : `: ${image}`} (${reason})\n`);
  if (damaged.length > 0) {
    throw codedError("ERR_DATASET_DAMAGED", `${damaged.length} files or images of ${location} are damaged`, {
      details: { location, damaged },
    });
  }
  print(terminal, options, report, location);
}

function print(terminal: Terminal, { json = false }: StoreCommandOptions, report: object, line: string): void {
  terminal.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : `${line}\n`);
}

function bar(label: string, terminal: Terminal) {
  let progress: ReturnType<typeof createProgress> | undefined;
  const started = performance.now();
  const update = (done: number, total: number, details: string): void => {
    progress ??= createProgress({ label, total, stream: terminal.stderr });
    const seconds = (performance.now() - started) / 1000;
    progress.update(done, details, done > 0 ? (seconds / done) * (total - done) : undefined);
  };
  return {
    update,
    moved: (p: { files: number; totalFiles: number; bytes: number; totalBytes: number }): void =>
      update(p.bytes, p.totalBytes, `${p.files}/${p.totalFiles} files, ${formatBytes(p.bytes)}`),
    end: (text: string): void =>
      progress === undefined ? void terminal.stderr.write(`${text}\n`) : progress.end(text),
  };
}
