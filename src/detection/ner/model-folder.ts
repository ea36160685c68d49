/** Reads the folder of a token classification model as transformers writes it. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type AnonymizerError, codedError } from "../../errors.ts";
import type { WordPieceSettings } from "./word-pieces.ts";

export interface NerModel {
  /** Path of the ONNX file. */
  readonly graph: string;
  /** By class. */
  readonly labels: readonly string[];
  readonly pieces: WordPieceSettings;
  /** Ids of the marks at the ends of a text. */
  readonly begin: number;
  readonly end: number;
  /** Longest sequence, both marks included. */
  readonly maxTokens: number;
}

const configSchema = z.object({
  id2label: z.record(z.string(), z.string()),
  max_position_embeddings: z.int().min(8).default(512),
});

const tokenizerSchema = z.object({
  normalizer: z
    .object({ lowercase: z.boolean().optional(), strip_accents: z.boolean().nullable().optional() })
    .nullable()
    .optional(),
  model: z.object({
    type: z.string().optional(),
    unk_token: z.string().default("[UNK]"),
    continuing_subword_prefix: z.string().default("##"),
    vocab: z.record(z.string(), z.int().min(0)),
  }),
});

const tokenizerConfigSchema = z.object({
  do_lower_case: z.boolean().default(false),
  strip_accents: z.boolean().nullable().default(null),
});

const cure =
  "Export one with `optimum-cli export onnx --task token-classification`, of BERT's kind (WordPiece), and name its folder.";

/** Rejects with ERR_MODEL_NOT_FOUND and ERR_MODEL_SHAPE, which name the file. */
export async function readNerModel(folder: string, maxTokens: number): Promise<NerModel> {
  const config = configSchema.safeParse(await json(folder, "config.json"));
  if (!config.success) throw misfit(folder, "config.json", "has no id2label");
  const { id2label, max_position_embeddings } = config.data;
  const labels = Array.from({ length: Object.keys(id2label).length }, (_, i) => id2label[String(i)]);
  if (labels.includes(undefined)) throw misfit(folder, "config.json", "has no label for every class in id2label");
  const pieces = (await fromTokenizer(folder)) ?? (await fromVocabulary(folder));
  const mark = (name: string): number => {
    const id = pieces.vocabulary.get(name);
    if (id === undefined) throw misfit(folder, "the vocabulary", `lacks ${name}`);
    return id;
  };
  mark(pieces.unknown);
  return {
    graph: await graphOf(folder),
    labels: labels as string[],
    pieces,
    begin: mark("[CLS]"),
    end: mark("[SEP]"),
    maxTokens: Math.min(maxTokens, max_position_embeddings),
  };
}

async function graphOf(folder: string): Promise<string> {
  for (const name of ["model.onnx", "onnx/model.onnx"]) {
    const path = join(folder, name);
    if (
      await stat(path).then(
        (found) => found.isFile(),
        () => false,
      )
    )
      return path;
  }
  throw codedError("ERR_MODEL_NOT_FOUND", `${folder} holds neither model.onnx nor onnx/model.onnx`, { cure });
}

async function fromTokenizer(folder: string): Promise<WordPieceSettings | undefined> {
  const read = await json(folder, "tokenizer.json", true);
  if (read === undefined) return undefined;
  const type = (read as { model?: { type?: unknown } } | null)?.model?.type;
  if (type !== undefined && type !== "WordPiece")
    throw misfit(folder, "tokenizer.json", `is of the kind ${String(type)}, not WordPiece`);
  const parsed = tokenizerSchema.safeParse(read);
  if (!parsed.success) throw misfit(folder, "tokenizer.json", "has no WordPiece vocabulary");
  const { normalizer, model } = parsed.data;
  const lowerCase = normalizer?.lowercase ?? false;
  return {
    vocabulary: new Map(Object.entries(model.vocab)),
    lowerCase,
    stripAccents: normalizer?.strip_accents ?? lowerCase,
    unknown: model.unk_token,
    continuing: model.continuing_subword_prefix,
  };
}

async function fromVocabulary(folder: string): Promise<WordPieceSettings> {
  const text = await read(folder, "vocab.txt");
  if (text === undefined)
    throw codedError("ERR_MODEL_NOT_FOUND", `${folder} holds neither tokenizer.json nor vocab.txt`, { cure });
  const told = tokenizerConfigSchema.safeParse((await json(folder, "tokenizer_config.json", true)) ?? {});
  if (!told.success) throw misfit(folder, "tokenizer_config.json", "is not understood");
  const { do_lower_case, strip_accents } = told.data;
  const words = text.replace(/\r?\n$/, "").split(/\r?\n/);
  return {
    vocabulary: new Map(words.map((word, id) => [word, id])),
    lowerCase: do_lower_case,
    stripAccents: strip_accents ?? do_lower_case,
    unknown: "[UNK]",
    continuing: "##",
  };
}

async function json(folder: string, name: string, optional = false): Promise<unknown> {
  const text = await read(folder, name);
  if (text === undefined) {
    if (optional) return undefined;
    throw codedError("ERR_MODEL_NOT_FOUND", `${folder} holds no ${name}`, { cure });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw misfit(folder, name, "is no JSON", cause);
  }
}

const read = (folder: string, name: string): Promise<string | undefined> =>
  readFile(join(folder, name), "utf8").catch(() => undefined);

const misfit = (folder: string, name: string, what: string, cause?: unknown): AnonymizerError =>
  codedError("ERR_MODEL_SHAPE", `${folder}: ${name} ${what}`, { cure, ...(cause !== undefined && { cause }) });
