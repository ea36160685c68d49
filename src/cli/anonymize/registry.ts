/** `anonymizer models push|pull|list|verify|tag|delete|gc`: models with versions in a bucket or folder. */
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import {
  codedError,
  createProgress,
  formatBytes,
  type ModelAddress,
  ModelRegistry,
  parseModelAddress,
  type RegistryOptions,
} from "../../index.ts";
import { type Terminal, table } from "../terminal.ts";
import { exitCodes } from "./exit-codes.ts";

interface CommonOptions {
  readonly cache?: string;
  readonly cacheGb?: number;
  readonly credentials?: string;
  readonly offline?: boolean;
  readonly json?: boolean;
}

interface PushCommandOptions extends CommonOptions {
  readonly tag: string[];
  readonly copies: boolean;
  readonly repair?: boolean;
}

interface Context {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  readonly done: (exitCode: number) => void;
}

const modelHelp =
  "r2://BUCKET/PREFIX/NAME@VERSION, s3://… or file:///FOLDER/NAME@VERSION; a tag in place of a version, default latest";
const storeHelp = "r2://BUCKET/PREFIX, s3://BUCKET/PREFIX or file:///FOLDER";

/** Adds the commands to `models`. */
export function addRegistryCommands(models: Command, context: Context): void {
  const { terminal, signal, done } = context;
  const common = (command: Command): Command =>
    command
      .option(
        "--cache <dir>",
        "folder of the cache; default: $ANONYMIZER_MODEL_CACHE or ~/.cache/anonymizer-native/models",
      )
      .option("--cache-gb <n>", "what the cache may hold, in GiB; default 20", positive)
      .option("--credentials <file>", "file of NAME=VALUE lines (mode 600); default: the environment")
      .option("--json", "print JSON");

  common(models.command("push"))
    .description("Make a version of the files in a folder.")
    .argument("<folder>", "model folder, or a pack with vae, unet and glyph_encoder")
    .argument("<address>", modelHelp)
    .option("--tag <tag>", "move this tag to it; may be repeated; default latest", repeated, [])
    .option("--no-copies", "store the content by hash only, without copies under models/NAME/VERSION")
    .option("--repair", "send every file again: mends content that `models verify` finds damaged; moves no tag unasked")
    .action(async (folder: string, address: string, options: PushCommandOptions) => {
      if (!/@[^/]*$/.test(address)) throw codedError("ERR_USAGE", `${address} names no version: write NAME@VERSION`);
      await withModel(address, options, async (registry, { name, reference }) => {
        const pushed = await registry.push(folder, {
          name,
          version: reference,
          copies: options.copies,
          repair: options.repair ?? false,
          signal,
          ...(options.tag.length > 0 && { tags: options.tag }),
          ...progress(terminal, "push"),
        });
        const { version, files, bytes, uploadedBytes, tags, manifest } = pushed;
        const sent = `${formatBytes(uploadedBytes)} of ${formatBytes(bytes)} sent`;
        print(
          terminal,
          options,
          pushed,
          `${name}@${version}: ${files} files, ${sent}, tags ${tags.join(", ") || "none"}, manifest ${manifest}`,
        );
      });
      done(exitCodes.fine);
    });

  common(models.command("pull"))
    .description("Bring a version into the cache, or into a folder.")
    .argument("<address>", modelHelp)
    .option("--to <dir>", "put it into this folder; one that is there is replaced")
    .option("--offline", "use the cache only")
    .action(async (address: string, options: CommonOptions & { to?: string }) => {
      await withModel(address, options, async (registry, { name, reference }) => {
        const request = { signal, ...progress(terminal, "pull") };
        if (options.to !== undefined) {
          const version = await registry.pullTo(options.to, name, reference, request);
          return print(
            terminal,
            options,
            { ...version, folder: options.to },
            `${name}@${version.version} is in ${options.to}`,
          );
        }
        const { release, ...pulled } = await registry.pull(name, reference, request);
        await release();
        const note = pulled.stale ? " (not asked whether the tag has moved)" : "";
        print(terminal, options, pulled, `${name}@${pulled.version} is in ${pulled.folder}${note}`);
      });
      done(exitCodes.fine);
    });

  common(models.command("list"))
    .description("Show models, versions and tags.")
    .argument("<store>", storeHelp)
    .argument("[name]", "one model only")
    .action(async (store: string, name: string | undefined, options: CommonOptions) => {
      await withStore(store, options, async (registry) => {
        const versions = await registry.list(name, { signal });
        const rows = versions.map((one) => [
          one.name,
          one.version,
          one.tags.join(","),
          formatBytes(one.bytes),
          one.created,
        ]);
        print(terminal, options, versions, table([["model", "version", "tags", "size", "created"], ...rows]));
      });
      done(exitCodes.fine);
    });

  common(models.command("verify"))
    .description("Read every file of a version in the store, and in the cache, and compare its SHA-256.")
    .argument("<address>", modelHelp)
    .action(async (address: string, options: CommonOptions) => {
      await withModel(address, options, async (registry, { name, reference }) => {
        const verified = await registry.verify(name, reference, { signal });
        const { problems, version, files, bytes } = verified;
        const fine = `${name}@${version}: ${files} files, ${formatBytes(bytes)}, all as they were pushed`;
        print(terminal, options, verified, problems.length === 0 ? fine : problems.join("\n"));
        done(problems.length === 0 ? exitCodes.fine : exitCodes.failed);
      });
    });

  common(models.command("tag"))
    .description("Point a tag at a version.")
    .argument("<address>", modelHelp)
    .argument("<tag>", "latest, best, …")
    .option("--expect <version>", "only if it points to this version now")
    .action(async (address: string, tag: string, options: CommonOptions & { expect?: string }) => {
      await withModel(address, options, async (registry, { name, reference }) => {
        const { expect } = options;
        await registry.tag(name, reference, tag, { signal, ...(expect !== undefined && { expect }) });
        print(terminal, options, { name, tag, version: reference }, `${name}@${tag} is ${reference}`);
      });
      done(exitCodes.fine);
    });

  common(models.command("delete"))
    .description("Delete a version that no tag points to. Its name is never given again.")
    .argument("<address>", modelHelp)
    .action(async (address: string, options: CommonOptions) => {
      if (!/@[^/]*$/.test(address)) throw codedError("ERR_USAGE", `${address} names no version: write NAME@VERSION`);
      await withModel(address, options, async (registry, { name, reference }) => {
        await registry.delete(name, reference, { signal });
        print(
          terminal,
          options,
          { name, version: reference },
          `${name}@${reference} is deleted; \`models gc\` frees its space`,
        );
      });
      done(exitCodes.fine);
    });

  common(models.command("gc"))
    .description("Delete content that no version has, and what a delete that was cut off has left.")
    .argument("<store>", storeHelp)
    .option("--dry-run", "only say what would be deleted")
    .option(
      "--grace-hours <n>",
      "leave what is younger: a push that was cut off goes on with it; default 24",
      notNegative,
    )
    .action(async (store: string, options: CommonOptions & { dryRun?: boolean; graceHours?: number }) => {
      await withStore(store, options, async (registry) => {
        const { dryRun = false, graceHours = 24 } = options;
        const report = await registry.collectGarbage({ signal, dryRun, graceMs: graceHours * 3_600_000 });
        const copies = report.copies > 0 ? `, ${report.copies} files of deleted versions` : "";
        const what = `${report.blobs} blobs${copies}, ${formatBytes(report.bytes)}`;
        print(terminal, options, report, dryRun ? `would delete ${what}` : `deleted ${what}`);
      });
      done(exitCodes.fine);
    });
}

async function withStore(
  store: string,
  options: CommonOptions,
  work: (registry: ModelRegistry) => Promise<void>,
): Promise<void> {
  const { cache, cacheGb, credentials, offline } = options;
  const settings: RegistryOptions = {
    cache: {
      ...(cache !== undefined && { folder: cache }),
      ...(cacheGb !== undefined && { maxBytes: cacheGb * 1024 ** 3 }),
    },
    ...(credentials !== undefined && { credentialsFile: credentials }),
    ...(offline && { offline }),
  };
  const registry = new ModelRegistry(store, settings);
  try {
    await work(registry);
  } finally {
    await registry.close();
  }
}

function withModel(
  address: string,
  options: CommonOptions,
  work: (registry: ModelRegistry, address: ModelAddress) => Promise<void>,
): Promise<void> {
  const parsed = parseModelAddress(address);
  return withStore(parsed.store, options, (registry) => work(registry, parsed));
}

/** In percent: numbers of bytes are too long to read. */
function progress(terminal: Terminal, label: string) {
  const bar = createProgress({ label, total: 100, stream: terminal.stderr as { write(text: string): unknown } });
  return {
    onProgress: ({ bytes, totalBytes }: { bytes: number; totalBytes: number }): void =>
      bar.update(
        totalBytes === 0 ? 100 : Math.floor((bytes / totalBytes) * 100),
        `${formatBytes(bytes)} of ${formatBytes(totalBytes)}`,
      ),
  };
}

function print(terminal: Terminal, options: CommonOptions, value: unknown, text: string): void {
  terminal.stdout.write(`${options.json ? JSON.stringify(value, null, 2) : text}\n`);
}

const repeated = (value: string, all: string[]): string[] => [...all, value];

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError("must be a number above 0");
  return value;
}

function notNegative(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0)) throw new InvalidArgumentError("must be a number, 0 or more");
  return value;
}
