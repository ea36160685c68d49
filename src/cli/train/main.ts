/** The command line `anonymizer-train`: reads the arguments, runs one command, gives the exit code. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { type AnonymizerError, adapterFormats, packageVersion } from "../../index.ts";
import { refuseAddresses } from "../local-paths.ts";
import { printError, type Terminal, toCoded } from "../terminal.ts";
import {
  type ConvertCommandOptions,
  convert,
  type InspectCommandOptions,
  inspect,
  type MergeCommandOptions,
  merge,
} from "./adapter-commands.ts";
import { buildCache, type CacheCommandOptions, clearCache, verifyCache } from "./cache-commands.ts";
import {
  type InitOptions,
  initConfigFile,
  type MigrateOptions,
  migrateConfigFile,
  printSchema,
  validateConfigs,
} from "./config-commands.ts";
import { type ImportCommandOptions, importData, type SynthCommandOptions, synthData } from "./data-commands.ts";
import { addLaunchCommands } from "./launch-commands.ts";
import { type PackCommandOptions, packData, pullData, pushData, verifyData } from "./shard-commands.ts";
import { jsonLogger, type TrainOptions, train } from "./train.ts";

/** What the process exits with. */
export const exitCodes = { fine: 0, failed: 1, usage: 2, lostOthers: 3, mayPass: 69, interrupted: 130 } as const;

const epilogue = `
Exit codes:
  0    done
  1    failed; the error's code and how to mend it are on stderr
  2    wrong usage
  3    one of several processes that train together was lost (ERR_DISTRIBUTED)
  69   a training failed at a store, a disk or a device (ERR_STORE_UNAVAILABLE, ERR_OUTPUT, ERR_DEVICE, errors of CUDA
       and NCCL); trying again can help
  75   --stop-after ended it, after writing a checkpoint; go on with --resume
  130  stopped by SIGINT or SIGTERM, after writing a checkpoint; a second signal stops at once, without one

Environment:
  ANONYMIZER_LEASE=ID  where machines share a run folder: vae and unet hold it for ID (lease.json), and are refused while
                       another ID holds it and has given a sign of life in the last 3 minutes (ERR_LOCKED)

Examples:
  anonymizer-train data synth --out data --count 200
  anonymizer-train data pack data --out r2://datasets/receipts
  anonymizer-train config init vae --out configs/mine.yaml
  anonymizer-train vae --config configs/vae.yaml --dry-run
  anonymizer-train vae --config configs/vae.yaml --set train_batch_size=8 --set data.manifest=data/manifest.jsonl
  anonymizer-train vae --config configs/vae.yaml --resume
  anonymizer-train cache build --config configs/unet.yaml --set cache.dir=cache
  anonymizer-train unet --config configs/unet.yaml --set lora.rank=16
  anonymizer-train adapter convert runs/unet/adapter --to kohya --out kohya
  anonymizer-train vae --config configs/vae.yaml --nproc 2 --max-restarts 3
  torchrun --no-python --nproc-per-node 2 npx anonymizer-train vae --config configs/vae.yaml
`;

/** Resolves to the exit code; never rejects. `signal` stops the work. */
export async function main(args: readonly string[], terminal: Terminal, signal: AbortSignal): Promise<number> {
  try {
    const finish = { code: exitCodes.fine as number };
    await buildProgram(terminal, signal, args, finish).parseAsync([...args], { from: "user" });
    return finish.code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.fine : exitCodes.usage;
    const coded = toCoded(error);
    // Of several processes the signal may have reached another one.
    const interrupted = coded.code === "ERR_ABORTED";
    if (args.includes("--json")) jsonLogger(terminal).error({ err: coded }, coded.message);
    else if (interrupted) terminal.stderr.write(`${coded.message}\n`);
    else printError(coded, terminal.stderr);
    return exitCodeOf(coded, args[0] === "vae" || args[0] === "unet");
  }
}

function exitCodeOf(error: AnonymizerError, training: boolean): number {
  switch (error.code) {
    case "ERR_ABORTED":
      return exitCodes.interrupted;
    case "ERR_DISTRIBUTED":
      return exitCodes.lostOthers;
    case "ERR_USAGE":
      return exitCodes.usage;
    default:
      return training && mayPass(error) ? exitCodes.mayPass : exitCodes.failed;
  }
}

/** Whether the same training can succeed later, or on another machine. */
function mayPass({ code, message }: AnonymizerError): boolean {
  // A fault of the device comes as an error of LibTorch. An assertion in a kernel is the data's fault.
  if (code === "ERR_NATIVE") return /\b(CUDA|NCCL) error\b/.test(message) && !/device-side assert/.test(message);
  return code === "ERR_STORE_UNAVAILABLE" || code === "ERR_OUTPUT" || code === "ERR_DEVICE";
}

function buildProgram(
  terminal: Terminal,
  signal: AbortSignal,
  args: readonly string[],
  finish: { code: number },
): Command {
  const program = new Command("anonymizer-train")
    .description("Trains the models that draw invented text into documents, and prepares their data.")
    .version(packageVersion)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
    })
    .showHelpAfterError("(see --help)")
    .addHelpText("after", epilogue);
  refuseAddresses(program);

  for (const [kind, what] of [
    ["vae", "Train the autoencoder between pixels and latents."],
    ["unet", "Train the inpainting UNet."],
  ] as const) {
    program
      .command(kind)
      .description(what)
      .requiredOption("--config <file>", "YAML configuration")
      .option(
        "--resume [dir]",
        "go on from the newest whole checkpoint of the run folder, or of DIR; auto: of the run folder or checkpoint.store, and begin where there is none",
      )
      .option(
        "--dry-run",
        "print the resolved configuration, parameter counts, steps and a memory estimate; change nothing",
      )
      .option("--json", "log every event as a line of JSON on stderr; print the dry run as JSON")
      .option("--set <key=value>", "set any key of the configuration; repeat for more", collect, [])
      .option("--out <dir>", "run folder, instead of output_dir")
      .option("--export-only <dir>", "write the model that the checkpoint of --resume holds to DIR, and train nothing")
      .option("--merged", "of a run with lora also write the model with the adapter added")
      .option("--nproc <n>", "train by N processes on this machine, each with a batch of its own", positiveInt)
      .option("--max-restarts <n>", "with --nproc: start again from the last checkpoint when one was lost", naturalInt)
      .option("--stop-after <seconds>", "write a checkpoint and stop then, with exit code 75", positiveInt)
      .addOption(
        new Option("--log <level>", "also log to stderr as JSON; silent unless --json is given").choices([
          "silent",
          "error",
          "warn",
          "info",
          "debug",
        ]),
      )
      .action(async (options: TrainOptions) => {
        finish.code = await train(kind, options, terminal, signal, args);
      });
  }

  const data = program.command("data").description("Make or convert training data.");
  data
    .command("synth")
    .description("Draw synthetic documents with exact boxes and labels.")
    .requiredOption("--out <dir>", "folder for manifest.jsonl and images/")
    .option("--count <n>", "documents", positiveInt, 200)
    .option("--seed <n>", "the same seed draws the same documents", naturalInt, 0)
    .action((options: SynthCommandOptions) => synthData(options, terminal, signal));
  data
    .command("import")
    .description("Convert a dataset in another format.")
    .addOption(
      new Option("--format <format>", "format of the source").choices(["sroie", "funsd"]).makeOptionMandatory(),
    )
    .requiredOption("--source <dir>", "folder of the dataset")
    .requiredOption("--out <dir>", "folder for manifest.jsonl and images/")
    .action((options: ImportCommandOptions) => importData(options, terminal, signal));
  addShardCommands(data, terminal, signal);

  const cache = program.command("cache").description("Fill, check or remove the latent cache of a UNet's training.");
  const cacheCommand = (name: string, description: string): Command =>
    cache
      .command(name)
      .description(description)
      .requiredOption("--config <file>", "YAML configuration with cache.dir")
      .option("--set <key=value>", "set any key of the configuration; repeat for more", collect, []);
  cacheCommand("build", "Make every entry that training would need and that is missing or damaged.").action(
    (options: CacheCommandOptions) => buildCache(options, terminal, signal),
  );
  cacheCommand("verify", "Read every entry; fails when one is damaged, counts what is missing.").action(
    (options: CacheCommandOptions) => verifyCache(options, terminal, signal),
  );
  cacheCommand("clear", "Remove the entries of the configuration.")
    .option("--all", "remove those of every configuration in that folder")
    .action((options: CacheCommandOptions & { all?: boolean }) => clearCache(options, terminal, signal));
  addLaunchCommands(program, { terminal, signal, finish });
  const adapter = program.command("adapter").description("Look into, convert and merge low-rank adapters (LoRA).");
  adapter
    .command("inspect")
    .description("Print format, rank, strength and layers of an adapter.")
    .argument("<path>", "folder or safetensors file")
    .option("--model <dir>", "the UNet or VAE it adapts; checks that it fits")
    .option("--json", "print JSON")
    .action((path: string, options: InspectCommandOptions) => inspect(path, options, terminal));
  adapter
    .command("convert")
    .description("Write an adapter in another format.")
    .argument("<path>", "folder or safetensors file")
    .addOption(new Option("--to <format>", "format to write").choices([...adapterFormats]).makeOptionMandatory())
    .requiredOption("--out <dir>", "folder that is made")
    .option("--model <dir>", "the UNet or VAE it adapts; needed for kohya files of other programs")
    .action((path: string, options: ConvertCommandOptions) => convert(path, options, terminal));
  adapter
    .command("merge")
    .description("Add adapters to a model's weights and write it as a model folder.")
    .requiredOption("--model <dir>", "the UNet or VAE to start from")
    .requiredOption("--adapter <path[=weight]>", "folder or safetensors file; repeat for more", collect, [])
    .requiredOption("--out <dir>", "model folder that is made")
    .option("--any-base", "also merge adapters that were trained on other weights of the same shapes")
    .action((options: MergeCommandOptions) => merge(options, terminal));

  const config = program.command("config").description("Make, check and bring forward configurations.");
  config
    .command("init")
    .description("Write a commented configuration to start from.")
    .addArgument(new Argument("<kind>", "what is trained").choices(["vae", "unet"]))
    .option("--preset <name>", "configuration to start from; default: the one named as the kind")
    .option("--out <file>", "default: <kind>.yaml")
    .option("--force", "replace a file that is there")
    .action((kind: "vae" | "unet", options: InitOptions) => initConfigFile(kind, options, terminal));
  config
    .command("validate")
    .description("Check files and tell everything wrong; a single valid one is printed with every default filled in.")
    .argument("<files...>", "YAML configurations of any kind")
    .option("--json", "print JSON")
    .action((files: string[], options: { json?: boolean }) => validateConfigs(files, options, terminal));
  config
    .command("migrate")
    .description("Bring a file with older or foreign spellings to the present form; comments are kept.")
    .argument("<file>", "YAML configuration of a trainer")
    .addOption(new Option("--kind <kind>", "what it trains, where the file does not say").choices(["vae", "unet"]))
    .option("--out <file>", "write here instead of over the file")
    .option("--check", "write nothing; exit with 1 when something would change")
    .action((file: string, options: MigrateOptions) => migrateConfigFile(file, options, terminal));
  config
    .command("schema")
    .description("Print the JSON Schema of a kind of configuration, for editors.")
    .argument("<kind>", "vae, unet or anonymizer")
    .option("--out <file>", "write it here")
    .action((kind: string, options: { out?: string }) => printSchema(kind, options.out, terminal));
  return program;
}

function addShardCommands(data: Command, terminal: Terminal, signal: AbortSignal): void {
  const address = "r2://BUCKET/PREFIX, s3://BUCKET/PREFIX or file:///FOLDER";
  const command = (name: string, description: string): Command =>
    data
      .command(name)
      .description(description)
      .option("--credentials <file>", "file of NAME=VALUE lines (mode 600); default: the environment")
      .option("--json", "print JSON");
  command("pack", "Pack a dataset into tar shards with a hashed index.")
    .argument("<source>", "manifest, or folder with manifest.jsonl")
    .requiredOption("--out <place>", `folder, or ${address}`)
    .option("--shard-mib <n>", "MiB of a shard", positiveInt, 64)
    .option("--replace", "replace another dataset that stands at the address")
    .option("--dry-run", "count images, shards and bytes; write nothing")
    .action((source: string, options: PackCommandOptions) => packData(source, options, terminal, signal));
  command("push", "Upload a packed dataset: what is not there yet.")
    .argument("<folder>", "folder with index.json")
    .argument("<address>", address)
    .option("--replace", "replace another dataset that stands there")
    .action((folder: string, to: string, options: { replace?: boolean }) =>
      pushData(folder, to, options, terminal, signal),
    );
  command("pull", "Download a packed dataset: what is not there yet.")
    .argument("<address>", address)
    .requiredOption("--out <dir>", "folder for index.json and the shards")
    .action((from: string, options: { out: string }) => pullData(from, options, terminal, signal));
  command("verify", "Read a packed dataset and compare every hash; fails when something is damaged, and names it.")
    .argument("<place>", `folder with index.json, or ${address}`)
    .action((place: string, options: object) => verifyData(place, options, terminal, signal));
}

const collect = (value: string, all: string[]): string[] => [...all, value];

function naturalInt(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError("It must be a whole number of at least 0.");
  return value;
}

function positiveInt(text: string): number {
  const value = naturalInt(text);
  if (value < 1) throw new InvalidArgumentError("It must be at least 1.");
  return value;
}
