import { mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ManifestFault, manifestLine, readManifest, writeManifest } from "../../src/datasets/manifest.ts";
import type { ManifestRecord } from "../../src/datasets/manifest-types.ts";
import { splitOf } from "../../src/datasets/split.ts";
import { pathFault, resolveInside } from "../../src/documents/inside-folder.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "manifest-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const record = (changes: Partial<ManifestRecord> = {}): ManifestRecord => ({
  id: "page-1",
  image: "images/page-1.png",
  width: 200,
  height: 100,
  split: "train",
  regions: [
    {
      box: [10, 10, 60, 30],
      quad: [10, 10, 60, 10, 60, 30, 10, 30],
      text: "Größe 12",
      words: [
        { box: [10, 10, 40, 30], text: "Größe" },
        { box: [45, 10, 60, 30], text: "12" },
      ],
      label: "line",
      entity: "person",
    },
  ],
  ...changes,
});

const write = (lines: readonly (object | string)[]): Promise<void> =>
  writeFile(
    join(folder, "manifest.jsonl"),
    lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"),
  );

async function read(onFault?: (fault: ManifestFault) => void): Promise<ManifestRecord[]> {
  const records: ManifestRecord[] = [];
  for await (const entry of readManifest(join(folder, "manifest.jsonl"), onFault === undefined ? {} : { onFault }))
    records.push(entry);
  return records;
}

describe("manifest", () => {
  it("reads back what it wrote, byte for byte the same each time", async () => {
    const path = join(folder, "manifest.jsonl");
    const records = [record(), record({ id: "page-2", regions: [] })];
    expect(await writeManifest(path, records)).toBe(2);
    expect(await read()).toEqual(records);
    expect(manifestLine(record())).toBe(manifestLine({ ...record() }));
    expect(await readdir(folder)).toEqual(["manifest.jsonl"]);
  });

  it("accepts blank lines, Windows line ends and a byte order mark", async () => {
    await write([`\uFEFF${JSON.stringify(record())}\r`, "", `${JSON.stringify(record({ id: "b" }))}\r`, ""]);
    expect((await read()).map((entry) => entry.id)).toEqual(["page-1", "b"]);
  });

  it.each<[string, object | string, RegExp]>([
    ["a line that is not JSON", '{"id": "secret text', /manifest\.jsonl:2: is not valid JSON/],
    ["a missing field", { ...record({ id: "x" }), width: undefined }, /manifest\.jsonl:2: width: /],
    [
      "a wrong type deep inside",
      { ...record({ id: "x" }), regions: [{ box: [1, 2, 3, "4"], text: "t" }] },
      /manifest\.jsonl:2: regions\[0\]\.box\[3\]: /,
    ],
    [
      "an unknown entity type",
      { ...record({ id: "x" }), regions: [{ box: [1, 2, 3, 4], text: "t", entity: "pet" }] },
      /manifest\.jsonl:2: regions\[0\]\.entity: /,
    ],
    [
      "a box beyond the page",
      { ...record({ id: "x" }), regions: [{ box: [0, 0, 201, 20], text: "t" }] },
      /manifest\.jsonl:2: regions\[0\]\.box: \[0, 0, 201, 20\] does not fit the page of 200×100 px/,
    ],
    [
      "a box without area",
      { ...record({ id: "x" }), regions: [{ box: [5, 5, 5, 20], text: "t" }] },
      /regions\[0\]\.box/,
    ],
    [
      "a quad beyond the page",
      { ...record({ id: "x" }), regions: [{ box: [0, 0, 20, 20], quad: [0, 0, 20, 0, 20, 20, -1, 20], text: "t" }] },
      /regions\[0\]\.quad/,
    ],
    [
      "a word beyond the page",
      {
        ...record({ id: "x" }),
        regions: [{ box: [0, 0, 20, 20], text: "t", words: [{ box: [0, 0, 20, 120], text: "t" }] }],
      },
      /regions\[0\]\.words\[0\]\.box/,
    ],
    ["an id used twice", record(), /manifest\.jsonl:2: id: the id is used twice/],
  ])("names file, line and field of %s", async (_, line, message) => {
    await write([record(), line]);
    await expect(read()).rejects.toMatchObject({
      code: "ERR_DATASET_INVALID",
      message: expect.stringMatching(message),
    });
  });

  it("never repeats document text in an error", async () => {
    await write(['{"id": "a", "regions": [{"text": "Erika Mustermann"']);
    const error = (await read().catch((thrown: unknown) => thrown)) as Error;
    expect(`${error.message} ${JSON.stringify(error)} ${String(error.cause)}`).not.toContain("Mustermann");
  });

  it.each(["../outside.png", "images/../../outside.png", "/etc/passwd", "C:\\pages\\a.png", "..\\outside.png"])(
    "refuses the image path %s",
    async (image) => {
      await write([record({ image })]);
      await expect(read()).rejects.toMatchObject({
        code: "ERR_PATH_OUTSIDE_ROOT",
        message: expect.stringContaining("manifest.jsonl:1: image"),
      });
      expect(() => manifestLine(record({ image }))).toThrow(expect.objectContaining({ code: "ERR_PATH_OUTSIDE_ROOT" }));
    },
  );

  it("leaves faulty records and regions out and reports each when asked to go on", async () => {
    await write([
      record(),
      "nonsense",
      record({
        id: "b",
        regions: [
          { box: [0, 0, 999, 5], text: "t" },
          { box: [0, 0, 9, 9], text: "kept" },
        ],
      }),
    ]);
    const faults: ManifestFault[] = [];
    const records = await read((fault) => faults.push(fault));
    expect(records.map((entry) => entry.id)).toEqual(["page-1", "b"]);
    expect(records[1]!.regions.map((region) => region.text)).toEqual(["kept"]);
    expect(faults.map(({ line, region }) => [line, region])).toEqual([
      [2, undefined],
      [3, 0],
    ]);
  });

  it("says so when the manifest does not exist", async () => {
    await expect(read()).rejects.toMatchObject({ code: "ERR_DATASET_NOT_FOUND" });
  });

  it("stops when aborted", async () => {
    await write([record()]);
    const read = readManifest(join(folder, "manifest.jsonl"), { signal: AbortSignal.abort() });
    await expect(read.next()).rejects.toMatchObject({ code: "ERR_ABORTED" });
  });

  it("keeps the old manifest and leaves no temporary file when a record is not valid", async () => {
    const path = join(folder, "manifest.jsonl");
    await writeManifest(path, [record()]);
    await expect(
      writeManifest(path, [record({ id: "b" }), record({ id: "c", regions: [{ box: [0, 0, 500, 5], text: "t" }] })]),
    ).rejects.toMatchObject({
      code: "ERR_DATASET_INVALID",
      message: expect.stringContaining('"c": regions[0].box'),
    });
    expect((await read()).map((entry) => entry.id)).toEqual(["page-1"]);
    expect(await readdir(folder)).toEqual(["manifest.jsonl"]);
  });

  it("reports a folder that can't be written", async () => {
    await expect(writeManifest(join(folder, "missing", "manifest.jsonl"), [record()])).rejects.toMatchObject({
      code: "ERR_OUTPUT",
    });
  });
});

describe("paths inside a folder", () => {
  it("follows links that stay inside and refuses those that leave", async () => {
    await writeFile(join(folder, "a.png"), "");
    const missing = { missing: "ERR_DATASET_NOT_FOUND" } as const;
    await symlink(join(folder, "a.png"), join(folder, "inside.png"));
    await symlink("/etc/hostname", join(folder, "outside.png"));
    expect(await resolveInside(folder, "inside.png", missing)).toMatch(/a\.png$/);
    await expect(resolveInside(folder, "outside.png", missing)).rejects.toMatchObject({
      code: "ERR_PATH_OUTSIDE_ROOT",
    });
    await expect(resolveInside(folder, "../a.png", missing)).rejects.toMatchObject({ code: "ERR_PATH_OUTSIDE_ROOT" });
    await expect(resolveInside(join(folder, "none"), "b.png", missing)).rejects.toMatchObject({
      code: "ERR_DATASET_NOT_FOUND",
    });
    await expect(resolveInside(folder, "b.png", missing)).rejects.toMatchObject({ code: "ERR_DATASET_NOT_FOUND" });
  });

  it("allows dots that are part of a name", () => {
    expect(pathFault("images/a..b.png")).toBeUndefined();
    expect(pathFault("a\0.png")).toBeDefined();
  });
});

describe("splits", () => {
  it("depend on the id alone and have about the shares asked for", () => {
    const ids = Array.from({ length: 4000 }, (_, i) => `document-${i}`);
    const test = ids.filter((id) => splitOf(id) === "test").length;
    expect(test / ids.length).toBeGreaterThan(0.08);
    expect(test / ids.length).toBeLessThan(0.12);
    expect(ids.map((id) => splitOf(id))).toEqual(ids.map((id) => splitOf(id)));
    expect(splitOf("anything", "validation")).toBe("validation");
  });
});
