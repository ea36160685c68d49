/** The command line `anonymizer-train`: reads the arguments, runs one command, gives the exit code. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { packageVersion } from "../../index.ts";
import { printError, type Terminal, toCoded } from "../terminal.ts";
import { printSchema, validateConfig } from "./config-commands.ts";
import { type ImportCommandOptions, importData, type SynthCommandOptions, synthData } from "./data-commands.ts";
import { type TrainOptions, train } from "./train.ts";

/** What the process exits with. */
export const exitCodes = { fine: 0, failed: 1, usage: 2, interrupted: 130 } as const;

const epilogue = `
Exit codes:
  0    done
  1    failed; the error's code and how to mend it are on stderr
  2    wrong usage
  130  stopped by SIGINT or SIGTERM, after writing a checkpoint; a second signal stops at once, without one

Examples:
  anonymizer-train data synth --out data --count 200
  anonymizer-train vae --config configs/vae.yaml --dry-run
  anonymizer-train vae --config configs/vae.yaml --set train_batch_size=8 --set data.manifest=data/manifest.jsonl
  anonymizer-train vae --config configs/vae.yaml --resume
`;

/** Resolves to the exit code; never rejects. `signal` stops the work. */
export async function main(args: readonly string[], terminal: Terminal, signal: AbortSignal): Promise<number> {
  try {
    await buildProgram(terminal, signal).parseAsync([...args], { from: "user" });
    return exitCodes.fine;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.fine : exitCodes.usage;
    const coded = toCoded(error);
    if (signal.aborted && coded.code === "ERR_ABORTED") {
      terminal.stderr.write(`${coded.message}\n`);
      return exitCodes.interrupted;
    }
    printError(coded, terminal.stderr);
    return coded.code === "ERR_USAGE" ? exitCodes.usage : exitCodes.failed;
  }
}

function buildProgram(terminal: Terminal, signal: AbortSignal): Command {
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

  for (const [kind, what] of [
    ["vae", "Train the autoencoder between pixels and latents."],
    ["unet", "Train the inpainting UNet."],
  ] as const) {
    program
      .command(kind)
      .description(what)
      .requiredOption("--config <file>", "YAML configuration")
      .option("--resume [dir]", "go on from the newest whole checkpoint of the run folder, or of DIR")
      .option(
        "--dry-run",
        "print the resolved configuration, parameter counts, steps and a memory estimate; change nothing",
      )
      .option("--json", "print the dry run as JSON")
      .option("--set <key=value>", "set any key of the configuration; repeat for more", collect, [])
      .option("--out <dir>", "run folder, instead of output_dir")
      .addOption(
        new Option("--log <level>", "also log to stderr as JSON")
          .choices(["silent", "error", "warn", "info", "debug"])
          .default("silent"),
      )
      .action((options: TrainOptions) => train(kind, options, terminal, signal));
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

  const config = program.command("config").description("Check configurations.");
  config
    .command("validate")
    .description("Check a file and print it with every default filled in.")
    .argument("<file>", "YAML configuration of any kind")
    .option("--json", "print JSON")
    .action((file: string, options: { json?: boolean }) => validateConfig(file, options, terminal));
  config
    .command("schema")
    .description("Print the JSON Schema of a kind of configuration.")
    .argument("<kind>", "vae, unet or anonymizer")
    .action((kind: string) => printSchema(kind, terminal));
  return program;
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
