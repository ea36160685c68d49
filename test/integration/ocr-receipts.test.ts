/** Reading and detection together on real receipts. The floors are generous: they catch a broken step, not a bad page. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { measureDetection } from "../../bench/detection.bench.ts";
import { measureOcr } from "../../bench/ocr.bench.ts";
import type { OcrEngine } from "../../src/detection/ocr.ts";
import { createTesseractEngine } from "../../src/detection/tesseract-engine.ts";
import { root } from "../helpers/tiny.ts";

const data = join(root, "..", "shared", "data");
const missing = !existsSync(join(data, "receipts"));
if (missing) console.log(`skipped: ${data} is not there`);

describe.skipIf(missing)("on real receipts", () => {
  let engine: OcrEngine;
  beforeAll(async () => {
    engine = await createTesseractEngine();
  });
  afterAll(() => engine.close());

  it("most lines are found and most characters read", async () => {
    const table = await measureOcr(data, engine, { every: 16 });
    expect(table.found).toBeGreaterThan(0.9);
    expect(table.errorRate).toBeLessThan(0.15);
    expect(table.digitsExact).toBeGreaterThan(0.6);
  });

  it("company, address and date are found in what was read, totals are left alone", async () => {
    const table = await measureDetection(data, { ocr: engine, every: 13 });
    expect(table.company).toBeGreaterThan(0.8);
    expect(table.address).toBeGreaterThan(0.8);
    expect(table.date).toBeGreaterThan(0.85);
    expect(table.otherHitSender).toBeLessThan(0.06);
    expect(table.totalHit).toBeLessThan(0.03);
  });
});
