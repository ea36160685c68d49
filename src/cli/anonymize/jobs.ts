/** Turns the inputs of a command line into a list of documents with their places in the output folder. */
import { createHmac } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename, dirname, extname, join, relative, resolve, sep } from "node:path";
import { AnonymizerError, codedError, type DocumentFormat, listDocuments } from "../../index.ts";
import { expandPattern, isPattern, patternBase } from "./glob.ts";

export interface Job {
  /** Absolute path of the document. */
  readonly input: string;
  /** Path of the result relative to the output folder, with the extension of the result's format. */
  readonly output: string;
  /** Path of the report relative to the report folder. */
  readonly report: string;
  /** The input's name is to stand nowhere: `output` stands for it. */
  readonly hidden: boolean;
}

export interface JobOptions {
  /** Folder of the results; undefined where none are written. */
  readonly out: string | undefined;
  readonly format: DocumentFormat | "same";
  /** Results are named by hashes under this key; undefined: by their inputs. */
  readonly nameKey: string | undefined;
}

const extensions: Readonly<Record<DocumentFormat, string>> = {
  png: ".png",
  jpeg: ".jpg",
  webp: ".webp",
  tiff: ".tiff",
  pdf: ".pdf",
};

/**
 * A file goes to its own name, a file of a folder to its path inside that folder, a file that matches a pattern to its
 * path from where the pattern begins. What already lies in the output folder is left out. Rejects with
 * ERR_DOCUMENT_EMPTY when nothing is left, ERR_USAGE when two inputs would have one result or a result would replace its
 * input.
 */
export async function collectJobs(
  inputs: readonly string[],
  { out: outFolder, format, nameKey }: JobOptions,
): Promise<Job[]> {
  // Without results there is nothing to be kept out of.
  const out = outFolder === undefined ? undefined : resolve(outFolder);
  const found = new Map<string, string>();
  for (const input of inputs) {
    const path = resolve(input);
    const info = await stat(path).catch(() => undefined);
    if (info?.isDirectory()) {
      for (const file of await listDocuments(path)) {
        if (out === undefined || !isInside(file, out) || isInside(path, out)) found.set(file, relative(path, file));
      }
    } else if (info === undefined && isPattern(input)) {
      const base = patternBase(input);
      let matches = 0;
      for (const file of await expandPattern(input)) {
        if (out !== undefined && isInside(file, out)) continue;
        if (!(await isDocument(file))) continue;
        matches++;
        found.set(file, relative(base, file));
      }
      if (matches === 0) throw codedError("ERR_DOCUMENT_EMPTY", `No document matches ${input}`);
    } else found.set(path, basename(path));
  }
  if (found.size === 0) throw codedError("ERR_DOCUMENT_EMPTY", `No document was found in ${inputs.join(", ")}`);

  const outputs = new Map<string, string>();
  for (const [input, at] of found) {
    const place = nameKey === undefined ? at : hashedPath(at, nameKey);
    const output = format === "same" ? place : `${withoutExtension(place)}${extensions[format]}`;
    const other = outputs.get(output);
    if (other !== undefined) throw codedError("ERR_USAGE", `${other} and ${input} would both be written to ${output}`);
    if (out !== undefined && join(out, output) === input)
      throw codedError("ERR_USAGE", `${input} would be replaced by its own result; give another --out`);
    outputs.set(output, input);
  }
  const stems = new Map<string, number>();
  for (const output of outputs.keys()) {
    const stem = withoutExtension(output);
    stems.set(stem, (stems.get(stem) ?? 0) + 1);
  }
  return [...outputs].map(([output, input]) => {
    // "a.png" beside "a.jpg" would share "a.report.json".
    const stem = withoutExtension(output);
    const report = `${stems.get(stem) === 1 ? stem : output}.report.json`;
    return { input, output, report, hidden: nameKey !== undefined };
  });
}

const usualExtension = /\.(?:png|jpe?g|webp|tiff?|pdf)$/i;

/** 64 bits of an HMAC of the whole relative path, and its extension where that is one of documents. */
function hashedPath(path: string, key: string): string {
  const hmac = createHmac("sha256", key).update(`anonymizer-native file names\0${path.split(sep).join("/")}`);
  return `${hmac.digest("hex").slice(0, 16)}${usualExtension.exec(path)?.[0] ?? ""}`;
}

/** By its content. What can't be read counts, so that it is told of. */
const isDocument = (file: string): Promise<boolean> =>
  listDocuments(file).then(
    () => true,
    (error: unknown) => !(error instanceof AnonymizerError && error.code === "ERR_DOCUMENT_FORMAT"),
  );

const withoutExtension = (path: string): string => join(dirname(path), basename(path, extname(path)));

const isInside = (path: string, folder: string): boolean => path === folder || path.startsWith(folder + sep);
