import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isValidIBAN } from "ibantools";
import { parsePhoneNumberFromString } from "libphonenumber-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readManifest } from "../../src/datasets/manifest.ts";
import type { ManifestRecord } from "../../src/datasets/manifest-types.ts";
import { fillBasket } from "../../src/datasets/synthesizer/basket.ts";
import { DocumentSynthesizer, type SyntheticDocument } from "../../src/datasets/synthesizer/document-synthesizer.ts";
import { documentKinds } from "../../src/datasets/synthesizer/draft.ts";
import { Inventor } from "../../src/datasets/synthesizer/inventor.ts";
import { languages } from "../../src/datasets/synthesizer/languages.ts";
import { writeSyntheticDataset } from "../../src/datasets/synthesizer/write-dataset.ts";
import { entityTypes } from "../../src/detection/entity.ts";
import type { Box } from "../../src/documents/geometry.ts";
import { isCardNumber } from "../../src/identifiers/card.ts";
import { schemesOf } from "../../src/identifiers/schemes.ts";
import { Random } from "../../src/random/random.ts";
import { holds } from "./helpers/patches.ts";

const hash = ({ image, ...rest }: SyntheticDocument): string =>
  createHash("sha256").update(JSON.stringify(rest)).update(image.data).digest("hex");

describe("documents", () => {
  it.each(documentKinds)("of kind %s are the same for the same seed and others for another", async (kind) => {
    const one = hash(await new DocumentSynthesizer(7).document(3, kind));
    expect(hash(await new DocumentSynthesizer(7).document(3, kind))).toBe(one);
    expect(hash(await new DocumentSynthesizer(8).document(3, kind))).not.toBe(one);
    expect(hash(await new DocumentSynthesizer(7).document(4, kind))).not.toBe(one);
    // A number and its decimal text are different seeds.
    expect(hash(await new DocumentSynthesizer("7").document(3, kind))).not.toBe(one);
  });

  it("do not depend on the order or on others being drawn at the same time", async () => {
    const synthesizer = new DocumentSynthesizer("order");
    const together = await Promise.all([2, 0, 1].map((index) => synthesizer.document(index)));
    for (const [i, index] of [2, 0, 1].entries())
      expect(hash(await new DocumentSynthesizer("order").document(index))).toBe(hash(together[i]!));
  });

  it.each(documentKinds)(
    "of kind %s have sound regions: on the page, words within, values within a line",
    async (kind) => {
      const synthesizer = new DocumentSynthesizer("sound");
      for (let index = 0; index < 6; index++) {
        const { image, regions, fields, id } = await synthesizer.document(index, kind);
        expect(image.data).toHaveLength(image.width * image.height * 3);
        expect(id).toMatch(new RegExp(`^${kind}-[0-9a-f]{8}-00000${index}$`));
        expect(Object.keys(fields).length).toBeGreaterThan(1);
        expect(regions.length).toBeGreaterThan(5);
        expect(regions.some((region) => region.entity === "person" || region.entity === "company")).toBe(true);
        for (const region of regions) {
          expect(holds([0, 0, image.width, image.height], region.box)).toBe(true);
          expect(region.text.trim()).toBe(region.text);
          expect(region.text).not.toBe("");
          expect(region.words!.map((word) => word.text).join(" ")).toBe(region.text);
          for (const word of region.words!) expect(holds(region.box, word.box)).toBe(true);
          if (region.label === "value") {
            expect(entityTypes).toContain(region.entity);
            expect(
              regions.some(
                (line) => line.label === "line" && line.text.includes(region.text) && holds(line.box, region.box),
              ),
            ).toBe(true);
          }
        }
      }
    },
  );

  it("name in their fields what is printed", async () => {
    const synthesizer = new DocumentSynthesizer("fields");
    for (let index = 0; index < 8; index++) {
      const { regions, fields } = await synthesizer.document(index, "receipt");
      const printed = regions.map((region) => region.text).join(" ");
      for (const name of ["total", "date", "company"]) expect(printed).toContain(fields[name]!.replace(/\s+/g, " "));
    }
  });

  it.each(documentKinds)("of kind %s have ink inside their boxes, up to the edges, and none outside", async (kind) => {
    // Print alone on white, but skewed and bent as any other page.
    const synthesizer = new DocumentSynthesizer("ink", { wear: 0, decorations: false });
    for (let index = 0; index < 5; index++) {
      const { image, regions } = await synthesizer.document(index, kind);
      const lines = regions.filter((region) => region.label === "line");
      const inside = new Uint8Array(image.width * image.height);
      for (const { box } of lines) {
        for (let y = Math.max(0, box[1] - 1); y < Math.min(image.height, box[3] + 1); y++)
          inside.fill(
            1,
            y * image.width + Math.max(0, box[0] - 1),
            y * image.width + Math.min(image.width, box[2] + 1),
          );
      }
      let outside = 0;
      for (let i = 0; i < inside.length; i++) if (inside[i] === 0 && image.data[i * 3 + 1]! < 215) outside++;
      expect(outside).toBe(0);
      for (const word of regions.flatMap((region) => region.words!))
        expect({ text: word.text, slack: slack(image, word.box) <= 3 }).toEqual({ text: word.text, slack: true });
    }
  });

  it("give each value a box that ends where the rest of its line begins", async () => {
    const synthesizer = new DocumentSynthesizer("values", { wear: 0, decorations: false, skew: 0 });
    let values = 0;
    for (let index = 0; index < 10; index++) {
      const { image, regions } = await synthesizer.document(index, "receipt");
      for (const value of regions.filter((region) => region.label === "value")) {
        const line = regions.find(
          (region) => region.label === "line" && holds(region.box, value.box) && region.text.includes(value.text),
        )!;
        const before = line.text.slice(0, line.text.indexOf(value.text));
        if (before === "" || !before.endsWith(" ")) continue;
        values++;
        // The space before the value is blank in the picture.
        const gap: Box = [value.box[0] - 2, line.box[1], value.box[0] - 1, line.box[3]];
        expect(darkest(image, gap)).toBeGreaterThan(200);
      }
    }
    expect(values).toBeGreaterThan(5);
  });

  it("are worn, or clean when asked", async () => {
    const worn = await new DocumentSynthesizer("w").document(1, "receipt");
    const clean = await new DocumentSynthesizer("w", { wear: 0, skew: 0 }).document(1, "receipt");
    const white = ({ image }: SyntheticDocument): number =>
      image.data.reduce((n, value) => n + (value === 255 ? 1 : 0), 0) / image.data.length;
    expect(white(clean)).toBeGreaterThan(0.8);
    expect(new Set(clean.image.data).size).toBeLessThanOrEqual(256);
    expect(hash(worn)).not.toBe(hash(clean));
  });

  it("come in all kinds, languages, sizes and with all types of personal data", async () => {
    const synthesizer = new DocumentSynthesizer("variety", { wear: 0 });
    const kinds = new Set<string>();
    const spoken = new Set<string>();
    const widths = new Set<number>();
    const entities = new Set<string>();
    const texts = new Set<string>();
    for await (const document of synthesizer.documents(60)) {
      kinds.add(document.kind);
      spoken.add(document.language);
      widths.add(document.image.width);
      for (const { entity, text } of document.regions) {
        if (entity !== undefined) entities.add(entity);
        texts.add(text);
      }
    }
    expect([...kinds].sort()).toEqual([...documentKinds].sort());
    expect([...spoken].sort()).toEqual([...languages].sort());
    expect([...entities].sort()).toEqual(entityTypes.filter((type) => type !== "licence_plate").sort());
    expect(widths.size).toBeGreaterThan(40);
    expect([...texts].some((text) => /[äöüßéèñçàò]/i.test(text))).toBe(true);
  });

  it("are refused for impossible options", async () => {
    const bad = expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" });
    expect(() => new DocumentSynthesizer(1, { wear: 2 })).toThrow(bad);
    expect(() => new DocumentSynthesizer(1, { kinds: {} })).toThrow(bad);
    expect(() => new DocumentSynthesizer(1, { kinds: { passport: 1 } as object })).toThrow(bad);
    expect(() => new DocumentSynthesizer(1, { languages: ["xx" as "en"] })).toThrow(bad);
    await expect(new DocumentSynthesizer(1).document(-1)).rejects.toEqual(bad);
    await expect(new DocumentSynthesizer(1).document(0, "passport" as "receipt")).rejects.toEqual(bad);
  });
});

type Pixels = SyntheticDocument["image"];

function darkest(image: Pixels, box: Box): number {
  let least = 255;
  for (let y = box[1]; y < box[3]; y++)
    for (let x = box[0]; x < box[2]; x++) least = Math.min(least, image.data[(y * image.width + x) * 3 + 1]!);
  return least;
}

/** How many pixels the box is larger than its ink on its loosest side. */
function slack(image: Pixels, box: Box): number {
  let [x0, y0, x1, y1] = [box[2], box[3], box[0], box[1]];
  for (let y = box[1]; y < box[3]; y++) {
    for (let x = box[0]; x < box[2]; x++) {
      if (image.data[(y * image.width + x) * 3 + 1]! < 235) {
        x0 = Math.min(x0, x);
        y0 = Math.min(y0, y);
        x1 = Math.max(x1, x + 1);
        y1 = Math.max(y1, y + 1);
      }
    }
  }
  return Math.max(x0 - box[0], y0 - box[1], box[2] - x1, box[3] - y1);
}

describe("invented numbers", () => {
  const random = new Random("numbers");

  it.each(languages)("pass their check digits in %s", (language) => {
    let national = 0;
    for (let i = 0; i < 60; i++) {
      const inventor = new Inventor(new Random("numbers", language, i), language);
      expect(isCardNumber(inventor.card().replace(/\D/g, ""))).toBe(true);
      const tax = inventor.taxId();
      if (inventor.country === "MY") expect(tax).toMatch(/^000\d{9}$/);
      else
        expect(
          schemesOf(tax).map(({ country }) => country),
          tax,
        ).toContain(inventor.country);
      if (schemesOf(inventor.idNumber()).some(({ country }) => country === inventor.country)) national++;
    }
    expect(national).toBeGreaterThan(12);
    expect(national).toBeLessThan(48);
  });

  it.each(languages)("are valid IBANs and phone numbers in %s", (language) => {
    for (let i = 0; i < 40; i++) {
      const inventor = new Inventor(new Random("inventor", language, i), language);
      expect(isValidIBAN(inventor.iban().replaceAll(" ", ""))).toBe(true);
      const phone = inventor.phone();
      expect({
        phone,
        valid: parsePhoneNumberFromString(phone.replace(/[./]/g, " "), inventor.country)?.isValid(),
      }).toEqual({ phone, valid: true });
    }
  });

  it("add up to the totals", () => {
    for (let i = 0; i < 300; i++) {
      const taxIncluded = i % 2 === 0;
      const basket = fillBasket(random, {
        names: ["a", "b", "c"],
        count: 1 + (i % 7),
        prices: [50, 9000],
        quantities: [1, 5],
        taxRates: [0, 7, 19],
        taxIncluded,
        round: i % 3 === 0,
      });
      expect(basket.items.reduce((sum, item) => sum + item.quantity * item.unitPrice, 0)).toBe(basket.subtotal);
      expect(basket.net + basket.tax + basket.rounding).toBe(basket.total);
      expect(taxIncluded ? basket.net + basket.tax : basket.net).toBe(basket.subtotal - basket.discount);
      if (i % 3 === 0) expect(basket.total % 5).toBe(0);
    }
  });
});

describe("a synthetic dataset", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "synthetic-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const options = (name: string, changes: object = {}) => ({
    seed: 11,
    count: 6,
    out: join(folder, name),
    kinds: { receipt: 1, id_card: 1 },
    ...changes,
  });

  async function read(name: string): Promise<ManifestRecord[]> {
    const records: ManifestRecord[] = [];
    for await (const record of readManifest(join(folder, name, "manifest.jsonl"))) records.push(record);
    return records;
  }

  it("has a valid manifest, an image for each record and splits by document", async () => {
    const progress: number[] = [];
    const result = await writeSyntheticDataset(
      options("a", { onProgress: ({ done }: { done: number }) => progress.push(done) }),
    );
    const records = await read("a");
    expect(result).toMatchObject({ records: 6, kept: 0 });
    expect(records.map((record) => record.id.slice(-6))).toEqual([
      "000000",
      "000001",
      "000002",
      "000003",
      "000004",
      "000005",
    ]);
    expect(Object.values(result.bySplit).reduce((a, b) => a + b)).toBe(6);
    expect(progress).toEqual([1, 2, 3, 4, 5, 6]);
    expect((await readdir(join(folder, "a/images"))).sort()).toEqual(
      records.map((record) => record.image.slice("images/".length)).sort(),
    );
    expect((await readdir(join(folder, "a"))).sort()).toEqual(["images", "manifest.jsonl", "synthetic.json"]);
  });

  it("is the same whether it was written at once, stopped and resumed, or extended", async () => {
    await writeSyntheticDataset(options("whole"));
    const abort = new AbortController();
    const stopped = writeSyntheticDataset(
      options("parts", {
        signal: abort.signal,
        concurrency: 1,
        onProgress: ({ done }: { done: number }) => done === 3 && abort.abort(),
      }),
    );
    await expect(stopped).rejects.toMatchObject({ code: "ERR_ABORTED" });
    // What a killed run can leave behind.
    await writeFile(join(folder, "parts/images/x.jpg.tmp-1-1"), "half");
    await writeFile(
      join(folder, "parts/manifest.partial.jsonl"),
      `${await readFile(join(folder, "parts/manifest.partial.jsonl"), "utf8")}5\t{"id":"half`,
    );
    const before = (await stat(join(folder, "parts/images", (await readdir(join(folder, "parts/images"))).sort()[0]!)))
      .mtimeMs;
    const resumed = await writeSyntheticDataset(options("parts"));
    expect(resumed.kept).toBe(3);
    expect(
      (await stat(join(folder, "parts/images", (await readdir(join(folder, "parts/images"))).sort()[0]!))).mtimeMs,
    ).toBe(before);
    await writeSyntheticDataset(options("longer", { count: 2 }));
    expect((await writeSyntheticDataset(options("longer"))).kept).toBe(2);
    for (const name of ["parts", "longer"]) {
      expect(await readFile(join(folder, name, "manifest.jsonl"))).toEqual(
        await readFile(join(folder, "whole/manifest.jsonl")),
      );
      for (const image of await readdir(join(folder, "whole/images")))
        expect(await readFile(join(folder, name, "images", image))).toEqual(
          await readFile(join(folder, "whole/images", image)),
        );
      expect(await readdir(join(folder, name, "images"))).toHaveLength(6);
    }
  });

  it("draws a missing or damaged image again", async () => {
    await writeSyntheticDataset(options("a", { count: 2 }));
    const [first, second] = await read("a");
    const good = await readFile(join(folder, "a", first!.image));
    await writeFile(join(folder, "a", first!.image), "not an image");
    await rm(join(folder, "a", second!.image));
    expect((await writeSyntheticDataset(options("a", { count: 2 }))).kept).toBe(0);
    expect(await readFile(join(folder, "a", first!.image))).toEqual(good);
  });

  it("does not mix with data of other settings, or with another manifest", async () => {
    await writeSyntheticDataset(options("a", { count: 1 }));
    await expect(writeSyntheticDataset(options("a", { count: 1, seed: 12 }))).rejects.toMatchObject({
      code: "ERR_OUTPUT",
      message: expect.stringContaining("other settings"),
    });
    await mkdir(join(folder, "b"));
    await writeFile(join(folder, "b/manifest.jsonl"), "mine\n");
    await expect(writeSyntheticDataset(options("b"))).rejects.toMatchObject({ code: "ERR_OUTPUT" });
    expect(await readFile(join(folder, "b/manifest.jsonl"), "utf8")).toBe("mine\n");
  });

  it("keeps every pixel as PNG", async () => {
    await writeSyntheticDataset(options("png", { count: 1, format: "png" }));
    const [record] = await read("png");
    const { image } = await new DocumentSynthesizer(11, { kinds: { receipt: 1, id_card: 1 } }).document(0);
    const sharp = (await import("sharp")).default;
    expect(
      Buffer.compare(
        await sharp(join(folder, "png", record!.image))
          .raw()
          .toBuffer(),
        image.data,
      ),
    ).toBe(0);
  });

  it("refuses impossible counts and a file in the place of the folder", async () => {
    await expect(writeSyntheticDataset(options("a", { count: 0 }))).rejects.toMatchObject({
      code: "ERR_INVALID_ARGUMENT",
    });
    await expect(
      writeSyntheticDataset(options("a", { split: { train: 0.5, validation: 0.1, test: 0.1 } })),
    ).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
    await writeFile(join(folder, "file"), "");
    await expect(writeSyntheticDataset(options("file"))).rejects.toMatchObject({ code: "ERR_OUTPUT" });
  });
});
