/** The command line `anonymizer`: reads the arguments, runs one command, gives the exit code. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { packageVersion } from "../../index.ts";
import { printError, type Terminal, toCoded } from "../terminal.ts";
import { type DetectOptions, detect } from "./detect.ts";
import { type DoctorOptions, doctor } from "./doctor.ts";
import { exitCodes } from "./exit-codes.ts";
import { type RunOptions, run } from "./run.ts";

/** Resolves to the exit code; never rejects. `signal` stops the work. */
export async function main(args: readonly string[], terminal: Terminal, signal: AbortSignal): Promise<number> {
  let code: number = exitCodes.fine;
  const program = buildProgram(terminal, signal, (exitCode) => {
    code = exitCode;
  });
  try {
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.fine : exitCodes.usage;
    const coded = toCoded(error);
    if (signal.aborted && coded.code === "ERR_ABORTED") return exitCodes.interrupted;
    printError(coded, terminal.stderr);
    return coded.code === "ERR_USAGE" ? exitCodes.usage : exitCodes.failed;
  }
}

function buildProgram(terminal: Terminal, signal: AbortSignal, done: (exitCode: number) => void): Command {
  const program = new Command("anonymizer")
    .description("Replaces the personal data in scanned documents with invented data and proves it by reading again.")
    .version(packageVersion)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
    })
    .showHelpAfterError("(see --help)");

  withSettings(program.command("run"))
    .description("Anonymize files and folders.")
    .argument("<inputs...>", "documents (PNG, JPEG, WebP, TIFF) and folders of them")
    .requiredOption("--out <dir>", "folder for the results")
    .addOption(
      new Option("--format <format>", "format of the results").choices(["same", "png", "jpeg", "webp", "tiff", "pdf"]),
    )
    .option("--report <dir>", 'folder for the reports, or "none"; default: beside the results')
    .option("--concurrency <n>", "documents worked on at the same time", positiveInt)
    .option("--dry-run", "only find; write nothing")
    .option("--force", "do again what an earlier run finished")
    .option("--json", "print the summary as JSON")
    .action(async (inputs: string[], options: RunOptions) => done(await run(inputs, options, terminal, signal)));

  withSettings(program.command("detect"))
    .description("Show what would be replaced by what. Writes nothing.")
    .argument("<file>", "a document")
    .option("--json", "print JSON")
    .action(async (file: string, options: DetectOptions) => done(await detect(file, options, terminal, signal)));

  program
    .command("doctor")
    .description("Check what is installed, and tell how to mend what is not.")
    .option("--models <dir>", "folder with the model folders vae, unet and glyph_encoder")
    .option("--json", "print JSON")
    .action(async (options: DoctorOptions) => done(await doctor(options, terminal, signal)));
  return program;
}

function withSettings(command: Command): Command {
  return command
    .option("--config <file>", "YAML configuration")
    .addOption(new Option("--engine <engine>", "what draws").choices(["auto", "diffusion", "classical"]))
    .option("--models <dir>", "folder with the model folders vae, unet and glyph_encoder")
    .option("--types <list>", "what to replace, comma-separated: person,company,…")
    .option("--key-file <file>", "file with the key that decides the invented values (mode 600)")
    .option("--include-originals", "show and report the original texts")
    .option(
      "--set <key=value>",
      "set any key of the configuration",
      (value: string, all: string[]) => [...all, value],
      [],
    );
}

function positiveInt(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("It must be a whole number of at least 1.");
  return value;
}
