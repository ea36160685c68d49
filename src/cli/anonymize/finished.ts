/** Tells whether a document was already done by an earlier run with the same settings. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { type Anonymizer, configHash, packageVersion, type Report, reportSchema } from "../../index.ts";

export interface Places {
  readonly input: string;
  readonly output: string;
  readonly report: string;
}

/**
 * The report of an earlier run when it is of the same input, configuration, key, engine and version, and the result it
 * tells of still lies there unchanged (or, for an unproven document, none lies there).
 */
export async function finishedReport(places: Places, anonymizer: Anonymizer): Promise<Report | undefined> {
  const report = await readReport(places.report);
  if (
    report === undefined ||
    report.versions["anonymizer-native"] !== packageVersion ||
    report.config_sha256 !== configHash(anonymizer.config) ||
    report.key_id !== anonymizer.keyId ||
    report.engine.chosen !== anonymizer.engine.chosen
  ) {
    return undefined;
  }
  const [input, output] = await Promise.all([fileHash(places.input), fileHash(places.output)]);
  const expected = report.proven ? report.output.sha256 : undefined;
  return input === report.document.sha256 && output === expected ? report : undefined;
}

/** Removes the result of an earlier run, recognised by its report, when the new one may not be written. */
export async function removeStale(places: Places): Promise<void> {
  const report = await readReport(places.report);
  if (report !== undefined && (await fileHash(places.output)) === report.output.sha256) {
    await rm(places.output, { force: true });
  }
}

async function readReport(path: string): Promise<Report | undefined> {
  try {
    const parsed = reportSchema.safeParse(JSON.parse(await readFile(path, "utf8")));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

async function fileHash(path: string): Promise<string | undefined> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(path), hash);
  } catch {
    return undefined;
  }
  return hash.digest("hex");
}
