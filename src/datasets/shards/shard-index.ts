/**
 * A dataset in shards: tar files of about equal size that hold the images, and what says where each image lies.
 *
 *   index.json                     this file: format, names, sizes and SHA-256 of all the others, and of itself
 *   manifest-HASH.jsonl            the manifest, byte for byte
 *   entries-HASH.jsonl             a line for each image that the manifest names: shard, offset, size, SHA-256, width,
 *                                  height; or why it can't be used
 *   train-00000-HASH.tar …         images in the manifest's order, each split in shards of its own
 *
 * HASH is the beginning of the file's SHA-256, so a name never stands for two contents: a dataset that is packed again
 * leaves readers of the one before undisturbed until `index.json` is replaced.
 */
import { z } from "zod";
import { codedError } from "../../errors.ts";
import { sha256Of } from "../../sha256.ts";
import { splits } from "../manifest-types.ts";

export const indexName = "index.json";
export const indexMaxBytes = 64 << 20;
export const defaultShardBytes = 64 << 20;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const size = z.int().min(0);
const fileName = z.string().regex(/^[a-z]+(-\d{5,})?-[0-9a-f]{12}\.(jsonl|tar)$/);
const file = z.strictObject({ name: fileName, bytes: size, sha256 });

const contentSchema = z.strictObject({
  format: z.literal(1),
  /** Bytes that a shard should not exceed; one with a single larger image does. */
  shardBytes: size,
  manifest: file.extend({ records: size }),
  entries: file.extend({ count: size }),
  shards: z.array(file.extend({ split: z.enum(splits), entries: size })),
});
/** `sha256`: of all else, as JSON. */
const indexSchema = contentSchema.extend({ sha256 });

const entrySchema = z.union([
  z.strictObject({
    image: z.string().min(1),
    /** Index into `shards`. */
    shard: size,
    /** Of the image's first byte in the shard. */
    offset: size,
    bytes: size,
    sha256,
    /** Pixels. */
    width: size,
    height: size,
  }),
  z.strictObject({ image: z.string().min(1), fault: z.string().min(1) }),
]);

export type ShardIndex = z.output<typeof contentSchema>;
export type ShardFile = ShardIndex["shards"][number];
/** Where an image lies, or why it is in no shard. */
export type ShardEntry = z.output<typeof entrySchema>;
export type PackedEntry = Extract<ShardEntry, { shard: number }>;

/** "train-00003-0123456789ab.tar" */
export const shardName = (split: string, number: number, hash: string): string =>
  `${split}-${String(number).padStart(5, "0")}-${hash.slice(0, 12)}.tar`;
export const listName = (kind: "manifest" | "entries", hash: string): string => `${kind}-${hash.slice(0, 12)}.jsonl`;

/** With its keys in the schema's order, so that equal indexes give equal texts. */
const contentOf = (index: ShardIndex): ShardIndex => contentSchema.parse(index);

export function indexText(index: ShardIndex): string {
  const content = contentOf(index);
  return `${JSON.stringify({ ...content, sha256: sha256Of(JSON.stringify(content)) }, null, 2)}\n`;
}

/** Every file that an index names, `index.json` left out. */
export const filesOfIndex = ({ shards, manifest, entries }: ShardIndex) => [...shards, entries, manifest];

const damaged = (where: string, what: string) =>
  codedError("ERR_DATASET_DAMAGED", `${where} ${what}`, { details: { where } });

/** @throws ERR_DATASET_DAMAGED. `where` stands in messages. */
export function parseIndex(text: string, where: string): ShardIndex {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw damaged(where, "is no JSON");
  }
  const parsed = indexSchema.safeParse(json);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw damaged(where, `is no index of shards that this version reads: ${path.join(".")}: ${message}`);
  }
  const { sha256: stated, ...content } = parsed.data;
  if (sha256Of(JSON.stringify(contentOf(content))) !== stated) {
    throw damaged(where, "was changed after it was written: its own SHA-256 differs");
  }
  return content;
}

export const entryLine = (entry: ShardEntry): string => JSON.stringify(entry);

/** @throws ERR_DATASET_DAMAGED naming file and line. */
export function parseEntryLine(text: string, shards: number, where: string, line: number): ShardEntry {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw damaged(`${where}:${line}`, "is no JSON");
  }
  const parsed = entrySchema.safeParse(json);
  if (!parsed.success || ("shard" in parsed.data && parsed.data.shard >= shards)) {
    throw damaged(`${where}:${line}`, "is no entry of a shard");
  }
  return parsed.data;
}
