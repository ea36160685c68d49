/**
 * The folder PP-OCR is read from: `detection.onnx`, `recognition.onnx`, `characters.json` (what the classes of the
 * recognition network mean) and `metadata.json` (where they come from and their hashes).
 */
import { readFile, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { codedError } from "../../errors.ts";
import { digestFile, writeFolder } from "../../models/files.ts";

const fileNames = {
  detection: "detection.onnx",
  recognition: "recognition.onnx",
  characters: "characters.json",
} as const;

const metadataSchema = z.object({
  kind: z.literal("ppocr"),
  name: z.string(),
  source: z.string(),
  sha256: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)),
});

export interface PpOcrModels {
  /** "PP-OCRv6_small" … */
  readonly name: string;
  readonly folder: string;
  /** Paths. */
  readonly detection: string;
  readonly recognition: string;
  /** What the classes 1, 2, … of the recognition network mean; class 0 is the blank. */
  readonly characters: readonly string[];
}

export const installCure =
  "Run `pip download --no-deps rapidocr==3.10.0` and then `npx anonymizer models install ppocr --from rapidocr-3.10.0-py3-none-any.whl`.";

/** Where models are installed when no folder is named: `$XDG_DATA_HOME` or `~/.local/share`. */
export function defaultPpOcrFolder(): string {
  const data = process.env["XDG_DATA_HOME"];
  const base = data?.startsWith("/") ? data : join(homedir(), ".local", "share");
  return join(base, "anonymizer-native", "ppocr");
}

/** Whether there is such a folder; it may still be damaged. */
export const hasPpOcrModels = (folder: string): Promise<boolean> =>
  stat(join(folder, "metadata.json")).then(
    (info) => info.isFile(),
    () => false,
  );

/** Checks every hash. Rejects with ERR_MODEL_NOT_FOUND, ERR_MODEL_HASH, ERR_ABORTED. */
export async function openPpOcrModels(folder: string, signal?: AbortSignal): Promise<PpOcrModels> {
  const text = await readFile(join(folder, "metadata.json"), "utf8").catch((cause: unknown) => {
    throw codedError("ERR_MODEL_NOT_FOUND", `${folder} holds no PP-OCR models`, { cause, cure: installCure });
  });
  const damaged = (what: string, cause?: unknown) =>
    codedError("ERR_MODEL_HASH", `${what} in ${folder} is damaged`, { cause, cure: installCure });
  const metadata = metadataSchema.safeParse(parseJson(text));
  if (!metadata.success) throw damaged("metadata.json", metadata.error);
  for (const file of Object.values(fileNames)) {
    const digest = await digestFile(join(folder, file), signal).catch((cause: unknown) => {
      if (signal?.aborted) throw cause;
      throw codedError("ERR_MODEL_NOT_FOUND", `${folder} lacks ${file}`, { cause, cure: installCure });
    });
    if (digest.sha256 !== metadata.data.sha256[file]) throw damaged(file);
  }
  const characters = z
    .array(z.string())
    .safeParse(parseJson(await readFile(join(folder, fileNames.characters), "utf8")));
  if (!characters.success) throw damaged(fileNames.characters, characters.error);
  return {
    name: metadata.data.name,
    folder,
    detection: join(folder, fileNames.detection),
    recognition: join(folder, fileNames.recognition),
    characters: characters.data,
  };
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

export interface NewPpOcrModels {
  readonly name: string;
  /** For people: the file they come from. */
  readonly source: string;
  readonly detection: Uint8Array;
  readonly recognition: Uint8Array;
  readonly characters: readonly string[];
  /** Texts that have to go with the models, by file name. */
  readonly licences: Readonly<Record<string, string>>;
}

/** Replaces the folder as a whole. Rejects with ERR_OUTPUT. */
export async function writePpOcrModels(folder: string, models: NewPpOcrModels): Promise<void> {
  await writeFolder(folder, async (temporary) => {
    await writeFile(join(temporary, fileNames.detection), models.detection);
    await writeFile(join(temporary, fileNames.recognition), models.recognition);
    await writeFile(join(temporary, fileNames.characters), JSON.stringify(models.characters));
    for (const [name, text] of Object.entries(models.licences)) await writeFile(join(temporary, name), text);
    const sha256: Record<string, string> = {};
    for (const file of Object.values(fileNames)) sha256[file] = (await digestFile(join(temporary, file))).sha256;
    const metadata: z.input<typeof metadataSchema> = {
      kind: "ppocr",
      name: models.name,
      source: models.source,
      sha256,
    };
    await writeFile(join(temporary, "metadata.json"), `${JSON.stringify(metadata, null, 2)}\n`);
  });
}
