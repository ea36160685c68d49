/** What a version of a model consists of, and how models are named. */
import { z } from "zod";
import { holdsUser } from "../addresses.ts";
import { pathFault } from "../documents/inside-folder.ts";
import { codedError } from "../errors.ts";
import { parseStoreAddress } from "./store-address.ts";
import { keyFault } from "./store-keys.ts";

const hex = z.string().regex(/^[0-9a-f]{64}$/);
const nameShape = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const manifestSchema = z.object({
  format: z.literal(1),
  name: z.string().regex(nameShape),
  version: z.string().regex(nameShape),
  /** ISO 8601. */
  created: z.string(),
  files: z
    .array(
      z.object({
        path: z.string().refine((path) => pathFault(path) === undefined && keyFault(path) === undefined),
        sha256: hex,
        bytes: z.int().min(0),
      }),
    )
    .min(1)
    .max(100_000),
});

const refSchema = z.object({ version: z.string().regex(nameShape), manifest: hex });

/** A version, as it stands in the store: written once, never changed. */
export type ModelManifest = z.output<typeof manifestSchema>;
/** Where a tag points: a version, and the SHA-256 of its manifest. */
export type ModelRef = z.output<typeof refSchema>;

export const manifestFile = "manifest.json";
/** Stands where a version was deleted: its name is never given again. */
export const tombstoneFile = "deleted.json";

export const blobKey = (sha256: string): string => `blobs/sha256/${sha256.slice(0, 2)}/${sha256}`;
/** The files of a version, each content once. */
export const blobsOf = ({ files }: Pick<ModelManifest, "files">): ModelManifest["files"] => [
  ...new Map(files.map((file) => [file.sha256, file])).values(),
];
export const versionKey = (name: string, version: string): string => `models/${name}/${version}`;
export const refKey = (name: string, tag: string): string => `refs/${name}/${tag}.json`;

/** Throws ERR_STORE_ADDRESS. */
export function checkName(what: "model" | "version" | "tag", name: string): void {
  if (nameShape.test(name)) return;
  throw codedError(
    "ERR_STORE_ADDRESS",
    `${JSON.stringify(name.slice(0, 100))} is no ${what}: 1 to 64 letters, digits, dots, hyphens and underscores, beginning with a letter or digit`,
  );
}

export interface ModelAddress {
  /** "r2://bucket/prefix". */
  readonly store: string;
  readonly name: string;
  /** A version or a tag. */
  readonly reference: string;
}

/** "r2://bucket/prefix/NAME@VERSION" or "…/NAME@TAG"; without @ the tag is "latest". Throws ERR_STORE_ADDRESS. */
export function parseModelAddress(address: string): ModelAddress {
  const slash = address.lastIndexOf("/");
  const [name = "", reference = "latest", ...rest] = address.slice(slash + 1).split("@");
  const store = address.slice(0, slash);
  if (slash < 0 || rest.length > 0 || !/^(r2|s3|file):\/\/./i.test(store)) {
    // What has a user or password in it is not repeated.
    const shown = holdsUser(address) ? "This" : JSON.stringify(address.slice(0, 200));
    throw codedError("ERR_STORE_ADDRESS", `${shown} is no address of a model`);
  }
  const { text } = parseStoreAddress(store);
  checkName("model", name);
  checkName("version", reference);
  return { store: text, name, reference };
}

/** Throws ERR_STORE_DAMAGED. */
export const parseManifest = (text: string, where: string): ModelManifest => parse(manifestSchema, text, where);
/** Throws ERR_STORE_DAMAGED. */
export const parseRef = (text: string, where: string): ModelRef => parse(refSchema, text, where);

function parse<T>(schema: z.ZodType<T>, text: string, where: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw codedError("ERR_STORE_DAMAGED", `${where} is not what a registry writes there`, { cause });
  }
}
