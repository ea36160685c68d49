/**
 * Damaged inputs through what reads them. A case is named by group, seed and number, and is the same each time. It ends
 * well (`ok`), or with one of the errors in src/errors.ts (its code); anything else is a violation and is thrown.
 */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { Journal } from "../../src/cli/anonymize/journal.ts";
import { configProblems, loadConfig } from "../../src/config/load-config.ts";
import { migrateConfigText } from "../../src/config/migrate-config.ts";
import { configKinds } from "../../src/config/schemas.ts";
import { parseYaml } from "../../src/config/yaml-source.ts";
import { manifestLine, readManifest, writeManifest } from "../../src/datasets/manifest.ts";
import type { ManifestRecord } from "../../src/datasets/manifest-types.ts";
import { decodeDocument } from "../../src/documents/decode.ts";
import type { DocumentFormat } from "../../src/documents/document.ts";
import { encodeDocument } from "../../src/documents/encode.ts";
import { AnonymizerError, isErrorCode } from "../../src/errors.ts";
import type { Anonymizer } from "../../src/index.ts";
import { Random } from "../../src/random/random.ts";
import { HashedOwners } from "../../src/replacement/owners.ts";
import { Vault } from "../../src/replacement/vault.ts";
import { reportSchema } from "../../src/report.ts";
import { findMetadata } from "../../src/verification/metadata.ts";
import { sampleReport } from "../helpers/sample-report.ts";
import { check } from "./check.ts";
import { flows } from "./flows.ts";
import { mutateFile, mutateText, mutateTree } from "./mutate.ts";
import { seedDocuments } from "./seed-documents.ts";

/** Runs case `index`; resolves to `ok` or an error code, rejects on a violation. */
export type RunCase = (index: number) => Promise<string>;

/** `folder` is the group's own, empty; `configs` the one with the shipped configurations. */
interface Setting {
  readonly folder: string;
  readonly configs: string;
  readonly random: (index: number) => Random;
}

const prepare: Record<string, (setting: Setting) => Promise<(index: number) => Promise<void>>> = {
  documents,
  manifests,
  configs,
  vaults,
  journals,
  reports,
  flows,
};

export const groups: readonly string[] = Object.keys(prepare);

/** Makes what the cases of a group start from. */
export async function openGroup(group: string, seed: number, folder: string, configFolder: string): Promise<RunCase> {
  await mkdir(folder, { recursive: true });
  const run = await prepare[group]!({
    folder,
    configs: configFolder,
    random: (index) => new Random(seed, group, index),
  });
  return async (index) => {
    const before = await readdir(folder);
    let outcome = "ok";
    try {
      await run(index);
    } catch (error) {
      if (!(error instanceof AnonymizerError) || !isErrorCode(error.code)) throw error;
      outcome = error.code;
    }
    const left = (await readdir(folder)).filter((name) => !before.includes(name));
    check(left.length === 0, `left behind: ${left.join(", ")}`);
    return outcome;
  };
}

const limits = { maxBytes: 4 << 20, maxPixels: 4e6, maxPages: 20, maxDecodedBytes: 64 << 20 };
const lossless: readonly DocumentFormat[] = ["png", "webp", "tiff"];

async function documents({ random: randomOf }: Setting) {
  const seeds = await seedDocuments();
  return async (index: number): Promise<void> => {
    const random = randomOf(index);
    const { file } = seeds[index % seeds.length]!;
    const document = await decodeDocument(mutateFile(file, random, random.pick(seeds).file), { limits });
    let bytes = 0;
    for (const { image } of document.pages) {
      check(image.data.length === image.width * image.height * 3, "pixels don't fit their size");
      check(image.width * image.height <= limits.maxPixels, "more pixels than are allowed");
      bytes += image.data.length;
    }
    check(bytes <= limits.maxDecodedBytes, "more memory than is allowed");
    check(document.pages.length <= limits.maxPages, "more pages than are allowed");

    const several = document.pages.length > 1;
    const format = random.pick<DocumentFormat>(several ? ["tiff", "pdf"] : ["png", "jpeg", "webp", "tiff", "pdf"]);
    const encoded = await encodeDocument(document.pages, format);
    const found = await findMetadata(encoded);
    check(found.length === 0, `metadata in the ${format}: ${found.join(", ")}`);
    const again = await decodeDocument(encoded);
    check(again.pages.length === document.pages.length, "pages were lost");
    for (const [i, { image }] of again.pages.entries()) {
      const before = document.pages[i]!.image;
      if (lossless.includes(format))
        check(Buffer.compare(before.data, image.data) === 0, `pixels changed in ${format}`);
    }
  };
}

const someRecords = (): ManifestRecord[] =>
  Array.from({ length: 4 }, (_, i) => ({
    id: `page-${i}`,
    image: `images/page-${i}.png`,
    width: 200,
    height: 100,
    split: "train",
    regions: [
      {
        box: [10, 10, 60, 30],
        quad: [10, 10, 60, 10, 60, 30, 10, 30],
        text: "Größe 12",
        words: [{ box: [10, 10, 40, 30], text: "Größe" }],
        label: "line",
        entity: "person",
      },
    ],
  }));

const jsonPieces = [
  "{",
  "}",
  "[",
  "]",
  ",",
  ":",
  '"',
  "\\",
  "\\u12",
  "null",
  "1e999",
  "-",
  "\uFEFF",
  "\r\n",
  "\n",
  "\0",
];

async function manifests({ folder, random: randomOf }: Setting) {
  const path = join(folder, "manifest.jsonl");
  await writeManifest(path, someRecords());
  const whole = await readFile(path);
  return async (index: number): Promise<void> => {
    const random = randomOf(index);
    const records = someRecords();
    const mutant = random.weighted<() => Buffer | string>([
      [() => mutateFile(whole, random, whole), 1],
      [() => mutateText(whole.toString(), random, jsonPieces), 1],
      [
        () =>
          records.map((record) => JSON.stringify(random.chance(0.5) ? mutateTree(record, random) : record)).join("\n"),
        2,
      ],
    ])();
    await writeFile(path, mutant);
    const read: ManifestRecord[] = [];
    let faults = 0;
    for await (const record of readManifest(path, { onFault: () => faults++ })) read.push(record);
    // What was read can be written and is read again as it was; writing is whole or not at all.
    const again: ManifestRecord[] = [];
    await writeManifest(path, read);
    for await (const record of readManifest(path)) again.push(record);
    check(
      JSON.stringify(again) === JSON.stringify(read.map((record) => JSON.parse(manifestLine(record)))),
      "not read back",
    );
    await writeFile(path, mutant);
    let strict = 0;
    for await (const _ of readManifest(path)) strict++;
    check(faults === 0 && strict === read.length, "a fault was passed over");
  };
}

const yamlPieces = [
  ":",
  "- ",
  "  ",
  "\t",
  "&a ",
  "*a",
  "<<: *a",
  "!!binary ",
  "!!set ",
  "? ",
  "|\n",
  ">",
  "{",
  "}",
  "[",
  "#",
  "'",
  '"',
  "%YAML 9",
  "---\n",
  "...",
  "1e999",
  ".inf",
  ".nan",
  "2024-01-01",
  "0o777",
  "~",
  "kind: unet\n",
  "\u0000",
  "a: &a [*a]\n",
];

async function configs({ folder, configs: source, random: randomOf }: Setting) {
  const names = (await readdir(source, { recursive: true })).filter((name) => name.endsWith(".yaml")).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(source, name), "utf8")));
  const path = join(folder, "config.yaml");
  await writeFile(path, "");
  return async (index: number): Promise<void> => {
    const random = randomOf(index);
    const text = texts[index % texts.length]!;
    const tree = parseYaml(text, "config.yaml").value;
    const mutant = random.weighted<() => Buffer | string>([
      [() => mutateText(text, random, yamlPieces), 4],
      [() => stringify(mutateTree(tree, random)), 4],
      [() => mutateFile(Buffer.from(text), random, Buffer.from(random.pick(texts))), 1],
      [() => aliasBomb(random.int(3, 30)), 0.2],
      [() => `${random.pick(["{", "[", "- ", "a: {", "? "]).repeat(random.pick([10, 1000, 20_000]))}`, 0.2],
    ])();
    await writeFile(path, mutant);
    const kind = random.pick([undefined, ...configKinds]);
    const outcomes = await Promise.allSettled([
      kind === undefined ? loadConfig(path) : loadConfig(path, kind),
      loadConfig(mutateTree(structuredClone(tree), random) as object, kind as undefined),
      Promise.resolve().then(() => configProblems(mutant.toString(), path, random.pick(configKinds))),
      Promise.resolve().then(() => migrateConfigText(mutant.toString(), path, random.pick([undefined, "vae", "unet"]))),
    ]);
    const coded = (error: unknown): boolean => error instanceof AnonymizerError && isErrorCode(error.code);
    for (const outcome of outcomes) if (outcome.status === "rejected" && !coded(outcome.reason)) throw outcome.reason;
    if (outcomes[0].status === "rejected") throw outcomes[0].reason;
  };
}

/** Each line holds the one before several times: exponentially much when followed. */
const aliasBomb = (depth: number): string =>
  [
    "a0: &a0 [x, x]",
    ...Array.from({ length: depth }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i}, `.repeat(9)}]`),
  ].join("\n");

async function vaults({ folder, random: randomOf }: Setting) {
  const key = "a vault key of sixteen";
  const path = join(folder, "names.vault");
  const vault = await Vault.open(path, key, { create: true });
  const entry = (i: number) => ({
    fake: `Invented ${i}`,
    original: `Original ${i}`,
    type: "person" as const,
    document: { name: "scan.png", sha256: "ab".repeat(32) },
    page: i,
    box: [1, 2, 30, 40] as [number, number, number, number],
  });
  for (let block = 0; block < 3; block++)
    await vault.update(
      () => undefined,
      () => [entry(block * 2), entry(block * 2 + 1)],
    );
  const whole = await readFile(path);
  const all = await vault.find();
  return async (index: number): Promise<void> => {
    const random = randomOf(index);
    const mutant = mutateFile(whole, random, whole);
    await writeFile(path, mutant);
    const damaged = await Vault.open(path, key);
    const found = await damaged.find();
    // What can be opened holds what was put in; nothing is made up. Lost can be only what looks like a write that was
    // cut off: the end of the file together with the mark that tells of it.
    check(JSON.stringify(found) === JSON.stringify(all.slice(0, found.length)), "the vault holds something else");
    const marks = [100, 220] as const;
    const cutOff = mutant.length < whole.length && !mutant.subarray(...marks).equals(whole.subarray(...marks));
    check(found.length === all.length || cutOff, "the vault has lost entries");
    await damaged.update(
      () => undefined,
      () => [entry(100 + index)],
    );
    check((await damaged.find()).length === found.length + 1, "an entry was not added");
  };
}

async function journals({ folder, random: randomOf }: Setting) {
  const path = join(folder, ".anonymizer-run.jsonl");
  const place = { input: join(folder, "in.png"), output: join(folder, "out.png"), report: undefined };
  const anonymizer = {
    config: await loadConfig({}, "anonymizer"),
    keyId: null,
    engine: { requested: "auto", chosen: "classical", reason: "" },
    takeClaims: () => [["fake", "owner"]],
  } as unknown as Anonymizer;
  await writeFile(place.input, "input");
  await writeFile(place.output, "output");
  await writeFile(path, "");
  const journal = await Journal.open(folder);
  await journal.note("out.png", sampleReport(100, 100), anonymizer);
  await journal.close();
  const line = (await readFile(path, "utf8")).trim();
  return async (index: number): Promise<void> => {
    const random = randomOf(index);
    const lines = [line, line, line];
    const mutant = random.chance(0.4)
      ? mutateText(lines.join("\n"), random, jsonPieces)
      : lines.map((text) => JSON.stringify(mutateTree(JSON.parse(text), random))).join("\n");
    await writeFile(path, mutant);
    const opened = await Journal.open(folder);
    try {
      const owners = new HashedOwners("a key of the owners", opened.claims);
      owners.isTaken("fake", "owner");
      const facts = await opened.finished("out.png", place, anonymizer);
      if (facts !== undefined) check(facts.unproven_because.join(",").length >= 0, "facts that are none");
      await opened.note("out.png", sampleReport(100, 100), anonymizer);
    } finally {
      await opened.close();
    }
  };
}

async function reports({ random: randomOf }: Setting) {
  return async (index: number): Promise<void> => {
    const random = randomOf(index);
    const mutant = mutateTree(structuredClone(sampleReport(100, 100)), random);
    const parsed = reportSchema.safeParse(mutant);
    if (parsed.success) check(reportSchema.safeParse(JSON.parse(JSON.stringify(parsed.data))).success, "not read back");
  };
}

export const removeFolder = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true });
