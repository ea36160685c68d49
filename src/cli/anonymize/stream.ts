/** `anonymizer run -`: a document from standard input, its result to standard output. */
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { type AnonymizeResult, Anonymizer, codedError, throwIfAborted } from "../../index.ts";
import { printError, type Terminal, toCoded, writeAll } from "../terminal.ts";
import { exitCodes } from "./exit-codes.ts";
import { writeReport } from "./report-file.ts";
import type { RunOptions } from "./run.ts";
import { loadSettings } from "./settings.ts";

/**
 * Writes nothing to standard output unless the result is proven. With --report DIR the report is DIR/stdin.report.json.
 * Rejects with ERR_OUTPUT when the report or the result can't be written.
 */
export async function runStream(
  inputs: readonly string[],
  options: RunOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const wrong =
    inputs.length > 1
      ? "other inputs"
      : (["out", "json", "preview", "previewOriginals", "dryRun", "force", "jobs", "names"] as const).find(
          (option) => options[option] !== undefined,
        );
  if (wrong !== undefined) throw codedError("ERR_USAGE", `Standard input (-) does not go with ${wrong}`);
  if (terminal.stdin === undefined) throw codedError("ERR_USAGE", "There is no standard input");
  const anonymizer = await Anonymizer.create(await loadSettings(options), { signal });
  try {
    const result = await anonymized(anonymizer, terminal.stdin, terminal, signal);
    return result === undefined ? exitCodes.documentsFailed : await write(result, options, terminal);
  } finally {
    await anonymizer.close();
  }
}

/** Undefined when the document failed; why has been told. */
async function anonymized(
  anonymizer: Anonymizer,
  input: Readable,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<AnonymizeResult | undefined> {
  try {
    const result = await anonymizer.anonymize(input, { signal });
    throwIfAborted(signal);
    return result;
  } catch (error) {
    const coded = toCoded(error);
    if (signal.aborted || coded.code === "ERR_ABORTED") throw coded;
    printError(coded, terminal.stderr);
    return undefined;
  }
}

async function write({ report, data }: AnonymizeResult, options: RunOptions, terminal: Terminal): Promise<number> {
  const path =
    options.report === undefined || options.report === "none"
      ? undefined
      : join(resolve(options.report), "stdin.report.json");
  if (path !== undefined) await writeReport(path, report);
  if (!report.proven) {
    terminal.stderr.write(`NOT PROVEN, not written\n  ${report.unproven_because.join(", ")}\n`);
    return exitCodes.unproven;
  }
  try {
    await writeAll(terminal.stdout, data);
  } catch (error) {
    if (path !== undefined) await rm(path, { force: true });
    throw error;
  }
  terminal.stderr.write(`${report.entities.length} values replaced, proven\n`);
  return exitCodes.fine;
}
