/** The classical engine on real scans: what it paints is read again, beside the original lines read the same way. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { createWorker, PSM, type Worker } from "tesseract.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Entity } from "../../src/detection/entity.ts";
import type { Box } from "../../src/documents/geometry.ts";
import { copyImage, cropImage, type RasterImage } from "../../src/documents/image.ts";
import { pastePatch } from "../../src/inpainting/blending.ts";
import { createClassicalEngine } from "../../src/inpainting/classical-engine.ts";
import { extractPatch } from "../../src/inpainting/patches.ts";
import { plain } from "../../src/replacement/normalise.ts";
import { createPseudonymizer } from "../../src/replacement/pseudonyms.ts";
import { similarity } from "../../src/text/similarity.ts";
import { changes } from "../unit/helpers/drawn-page.ts";
import { entitiesOf } from "../unit/helpers/entities.ts";

const folder = join(import.meta.dirname, "../../../shared/data/receipts");
const present = existsSync(join(folder, "manifest.json"));
if (!present) console.log("skipped: ../shared/data/receipts is not there");

interface Receipt {
  readonly id: string;
  readonly file: string;
  readonly lines: readonly { box: Box; text: string; field?: string }[];
}

/** Straight scans of different printers, with transcripts in the letter case of the print. */
const chosen = ["008", "019", "043", "101", "107", "120"];

describe.skipIf(!present)("on real receipts", () => {
  let reader: Worker;
  let receipts: Receipt[];
  beforeAll(async () => {
    const data = dirname(createRequire(import.meta.url).resolve("@tesseract.js-data/eng/package.json"));
    reader = await createWorker("eng", 1, { langPath: join(data, "4.0.0_best_int"), cacheMethod: "none", gzip: true });
    await reader.setParameters({ tessedit_pageseg_mode: PSM.SINGLE_LINE, user_defined_dpi: "150" });
    const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")) as { items: Receipt[] };
    receipts = manifest.items.filter((item) => chosen.includes(item.id));
  });
  afterAll(() => reader?.terminate());

  async function read(page: RasterImage, box: Box): Promise<string> {
    const { data, width, height } = cropImage(page, box);
    const png = await sharp(data, { raw: { width, height, channels: 3 } })
      .resize({ width: width * (height < 48 ? 2 : 1) })
      .extend({ top: 8, bottom: 8, left: 10, right: 10, extendWith: "copy" })
      .png()
      .toBuffer();
    return (await reader.recognize(png)).data.text;
  }

  it("new texts are read as well as the old ones were, the old ones are gone, and all other pixels are untouched", async () => {
    const engine = createClassicalEngine();
    const pseudonymizer = createPseudonymizer({ key: "receipts" });
    const scores: { old: number; fresh: number; leak: number }[] = [];
    for (const receipt of receipts) {
      const { data, info } = await sharp(join(folder, receipt.file))
        .removeAlpha()
        .toColourspace("srgb")
        .raw()
        .toBuffer({ resolveWithObject: true });
      const page: RasterImage = { data: new Uint8Array(data), width: info.width, height: info.height };
      const lines = receipt.lines.filter((line) => line.field === "address" && line.text.length > 7);
      const entities: Entity[] = entitiesOf(
        "address",
        lines.map((l) => l.text),
      ).map((entity, i) => ({ ...entity, box: lines[i]!.box }));
      const replacements = await pseudonymizer.replace(entities, { pageTexts: receipt.lines.map((l) => l.text) });
      const after = copyImage(page);
      const patches = replacements.map((replacement) =>
        extractPatch(page, replacement, { others: entities.filter((e) => e !== replacement.entity).map((e) => e.box) }),
      );
      const results = await engine.generate(patches);
      let masked: RasterImage = page;
      for (const [i, patch] of patches.entries()) {
        const {
          pageBox: [x, y],
          maskBox,
        } = patch;
        const mask: Box = [x + maskBox[0], y + maskBox[1], x + maskBox[2], y + maskBox[3]];
        masked = copyImage(after);
        pastePatch(after, patch, results[i]!);
        expect(changes(masked, after, mask).outside).toBe(0);
        const { entity, fake } = replacements[i]!;
        const [old, fresh] = [plain(await read(page, mask)), plain(await read(after, mask))];
        scores.push({
          old: similarity(old, plain(entity.text)),
          fresh: similarity(fresh, plain(fake)),
          leak: similarity(fresh, plain(entity.text)),
        });
      }
    }
    const mean = (key: "old" | "fresh"): number => scores.reduce((sum, s) => sum + s[key], 0) / scores.length;
    console.log(
      `${scores.length} lines: old ones read ${mean("old").toFixed(3)}, new ones ${mean("fresh").toFixed(3)}`,
    );
    expect(scores.length).toBeGreaterThan(12);
    expect(mean("fresh")).toBeGreaterThan(0.95);
    expect(mean("fresh")).toBeGreaterThan(mean("old") - 0.03);
    expect(Math.max(...scores.map((s) => s.leak))).toBeLessThan(0.8);
  });
});
