/** The command line `anonymizer`: reads the arguments, runs one command, gives the exit code. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { mostReaders } from "../../config/anonymizer-config.ts";
import { packageVersion, samplers } from "../../index.ts";
import { refuseAddresses } from "../local-paths.ts";
import { printError, type Terminal, toCoded } from "../terminal.ts";
import { type DetectOptions, detect } from "./detect.ts";
import { type DoctorOptions, doctor } from "./doctor.ts";
import { type EvalOptions, evaluateManifest } from "./eval.ts";
import { exitCodes, exitCodesText } from "./exit-codes.ts";
import { type InstallOptions, installModels } from "./models.ts";
import { addRegistryCommands } from "./registry.ts";
import { type RevealOptions, reveal } from "./reveal.ts";
import { type RunOptions, run } from "./run.ts";
import { type ServeOptions, serve } from "./serve.ts";

const modelsHelp = "folder with the model folders vae, unet and glyph_encoder, or r2://BUCKET/PREFIX/NAME@VERSION";

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
  refuseAddresses(program);

  withSettings(program.command("run"))
    .description("Anonymize files, folders, patterns, or standard input. Run again to go on where it stopped.")
    .argument("<inputs...>", 'documents, folders of them, patterns such as "scans/**/*.png", or - (stdin to stdout)')
    .option("--out <dir>", "folder for the results")
    .addOption(
      new Option("--format <format>", "format of the results").choices(["same", "png", "jpeg", "webp", "tiff", "pdf"]),
    )
    .option("--report <dir>", 'folder for the reports, or "none"; default: beside the results')
    .option("-j, --jobs <n>", "documents worked on at the same time", jobCount)
    .option("--preview", "write review pages to OUT/preview: the results with the replaced places")
    .option("--preview-originals", "the same with the originals beside the results: guard these pages")
    .addOption(
      new Option("--names <names>", "what results are named by: their inputs, or keyed hashes of the paths").choices([
        "keep",
        "hash",
      ]),
    )
    .option("--dry-run", "only find; write nothing")
    .option("--force", "do again what an earlier run finished")
    .option("--json", "print the summary as JSON")
    .addHelpText("after", exitCodesText)
    .action(async (inputs: string[], options: RunOptions) => done(await run(inputs, options, terminal, signal)));

  withSettings(program.command("detect"))
    .description("Show what would be replaced by what. Writes nothing.")
    .argument("<file>", "a document")
    .option("--json", "print JSON")
    .action(async (file: string, options: DetectOptions) => done(await detect(file, options, terminal, signal)));

  withSettings(program.command("eval"))
    .description("Score the anonymizer against a labelled manifest (manifest.jsonl). Writes no document.")
    .argument("<manifest>", "a manifest as `anonymizer-train data synth` or `data import` writes it")
    .addOption(new Option("--split <split>", "only this split").choices(["train", "validation", "test"]))
    .option("--limit <n>", "only the first documents", positiveInt)
    .option("--offset <n>", "only those after so many", positiveInt)
    .option("--journal <file>", "keep the scores of finished documents there, and go on from them")
    .option("-j, --jobs <n>", "documents worked on at the same time", jobCount)
    .option("--json", "print JSON")
    .action(async (manifest: string, options: EvalOptions) =>
      done(await evaluateManifest(manifest, options, terminal, signal)),
    );

  withSettings(program.command("serve"))
    .description("Serve over HTTP: documents in by POST /anonymize-document. SIGTERM finishes what is under way.")
    .option("--host <address>", "address to listen at; default 127.0.0.1")
    .option("--port <n>", "port to listen at, 0 = any free one; default 8000", wholeNumber)
    .option("--token-file <file>", "file with the token that clients must send (mode 600); also ANONYMIZER_TOKEN")
    .addOption(new Option("--log-level <level>", "what is logged").choices(["error", "warn", "info", "debug"]))
    .action(async (options: ServeOptions) => done(await serve(options, terminal, signal)));

  withKeys(program.command("reveal"))
    .description("Look up in a vault what stands behind invented values.")
    .argument("[fakes...]", "invented values; without any, all of the vault")
    .option("--document <name>", "only of this input document: its file name or SHA-256")
    .option("--json", "print JSON")
    .action(async (fakes: string[], options: RevealOptions) => done(await reveal(fakes, options, terminal)));

  program
    .command("doctor")
    .description("Check what is installed, and tell how to mend what is not.")
    .option("--models <place>", modelsHelp)
    .option("--ocr-models <dir>", "folder with the models of ppocr")
    .option("--json", "print JSON")
    .action(async (options: DoctorOptions) => done(await doctor(options, terminal, signal)));

  const models = program.command("models").description("Models that are not part of this package.");
  addRegistryCommands(models, { terminal, signal, done });
  models
    .command("install")
    .description("Put models in place from a file you downloaded; nothing is fetched from the network.")
    .addArgument(new Argument("<name>", "what to install").choices(["ppocr"]))
    .requiredOption("--from <file>", "ppocr: the wheel of rapidocr (pip download --no-deps rapidocr==3.10.0)")
    .option("--to <dir>", "folder for the models; default: where they are found without any setting")
    .option("--json", "print JSON")
    .action(async (_name: string, options: InstallOptions) => done(await installModels(options, terminal, signal)));
  return program;
}

function withSettings(command: Command): Command {
  return command
    .option("--config <file>", "YAML configuration")
    .addOption(new Option("--engine <engine>", "what draws").choices(["auto", "diffusion", "classical"]))
    .addOption(new Option("--sampler <sampler>", "how the diffusion engine samples").choices(samplers))
    .option("--models <place>", modelsHelp)
    .addOption(new Option("--ocr <engine>", "what reads").choices(["auto", "tesseract", "ppocr"]))
    .option("--types <list>", "what to replace, comma-separated: person,company,…")
    .option("--key-file <file>", "file with the key that decides the invented values (mode 600)")
    .option("--locale <locale>", "whose names are invented: en, de, fr, …")
    .option("--vault <file>", "keep, encrypted, what stands for which original")
    .option("--vault-key-file <file>", "key of the vault (mode 600); default: the key of --key-file")
    .option("--include-originals", "show and report the original texts")
    .option(
      "--set <key=value>",
      "set any key of the configuration",
      (value: string, all: string[]) => [...all, value],
      [],
    );
}

/** What opening a vault takes. */
function withKeys(command: Command): Command {
  return command
    .option("--vault <file>", "the vault")
    .option("--key-file <file>", "file with the key (mode 600)")
    .option("--vault-key-file <file>", "file with the vault's own key, where it has one (mode 600)")
    .option("--config <file>", "YAML configuration that names them");
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError("It must be a whole number of at least 0.");
  return value;
}

function positiveInt(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("It must be a whole number of at least 1.");
  return value;
}

function jobCount(text: string): number {
  const value = positiveInt(text);
  if (value > mostReaders) throw new InvalidArgumentError(`It must be at most ${mostReaders}.`);
  return value;
}
