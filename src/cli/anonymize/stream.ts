/** `anonymizer run -`: a document from standard input, its result to standard output. */
import { join, resolve } from "node:path";
import { Anonymizer, codedError, reportText, throwIfAborted, writeFileAtomic } from "../../index.ts";
import { printError, type Terminal, toCoded } from "../terminal.ts";
import { exitCodes } from "./exit-codes.ts";
import { makeFolder } from "./folders.ts";
import type { RunOptions } from "./run.ts";
import { loadSettings } from "./settings.ts";

/** Writes nothing to standard output unless the result is proven. With --report DIR the report is DIR/stdin.report.json. */
export async function runStream(
  inputs: readonly string[],
  options: RunOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const wrong =
    inputs.length > 1
      ? "other inputs"
      : (["out", "json", "preview", "previewOriginals", "dryRun", "force", "jobs"] as const).find(
          (option) => options[option] !== undefined,
        );
  if (wrong !== undefined) throw codedError("ERR_USAGE", `Standard input (-) does not go with ${wrong}`);
  if (terminal.stdin === undefined) throw codedError("ERR_USAGE", "There is no standard input");
  const anonymizer = await Anonymizer.create(await loadSettings(options), { signal });
  try {
    const result = await anonymizer.anonymize(terminal.stdin, { signal });
    throwIfAborted(signal);
    if (options.report !== undefined && options.report !== "none") {
      const folder = resolve(options.report);
      await makeFolder(folder);
      await writeFileAtomic(join(folder, "stdin.report.json"), reportText(result.report));
    }
    const { proven, unproven_because, entities } = result.report;
    if (!proven) {
      terminal.stderr.write(`NOT PROVEN, not written\n  ${unproven_because.join(", ")}\n`);
      return exitCodes.unproven;
    }
    terminal.stderr.write(`${entities.length} values replaced, proven\n`);
    terminal.stdout.write(result.data);
    return exitCodes.fine;
  } catch (error) {
    const coded = toCoded(error);
    if (signal.aborted || coded.code === "ERR_ABORTED") throw coded;
    printError(coded, terminal.stderr);
    return exitCodes.documentsFailed;
  } finally {
    await anonymizer.close();
  }
}
