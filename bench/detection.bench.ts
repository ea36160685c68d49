/**
 * How much personal data detection finds on real receipts, and how much else it hits.
 *
 * Truth is a folder with `receipts/manifest.json` (SROIE): text lines with boxes; those of the company, its address and
 * the date are marked. Telephone and registration numbers and names are not marked, so finding them counts among "other
 * lines hit"; `otherHitSender` counts only the types that are marked.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createDetector } from "../src/detection/detector.ts";
import type { OcrEngine, OcrLine, OcrPage } from "../src/detection/ocr.ts";
import { decodeDocument } from "../src/documents/decode.ts";
import { type Box, boxWidth } from "../src/documents/geometry.ts";
import { coveredWidth, touches } from "../src/evaluation/score-entities.ts";

export interface DetectionTable {
  readonly receipts: number;
  /** Shares of the marked lines that are found: half of their characters covered, or (date) a date found on them. */
  readonly company: number;
  readonly address: number;
  readonly date: number;
  /** The same, counting only findings of the right type. */
  readonly companyTyped: number;
  readonly addressTyped: number;
  /** Shares of the lines without a mark that some finding, and a company, address or date, touches. */
  readonly otherHit: number;
  readonly otherHitSender: number;
  /** Share of the lines with the total that are touched. */
  readonly totalHit: number;
  /** The lines behind the figures, for reading them. */
  readonly missed: readonly LineOutcome[];
  readonly hit: readonly LineOutcome[];
}

export interface LineOutcome {
  readonly receipt: string;
  readonly field: string;
  readonly text: string;
  readonly types: readonly string[];
}

interface TrueLine {
  readonly box: Box;
  readonly text: string;
  readonly field?: "company" | "address" | "date" | "total";
}

interface Receipt {
  readonly id: string;
  readonly file: string;
  readonly width: number;
  readonly height: number;
  readonly lines: readonly TrueLine[];
}

export interface MeasureOptions {
  /** Read the images with this engine; without, the true lines are used as if an engine had read them without fault. */
  readonly ocr?: OcrEngine;
  /** Every n-th receipt only. */
  readonly every?: number;
}

/** Measures on `dataFolder/receipts`. */
export async function measureDetection(dataFolder: string, options: MeasureOptions = {}): Promise<DetectionTable> {
  const { ocr, every = 1 } = options;
  const folder = join(dataFolder, "receipts");
  const manifest = JSON.parse(await readFile(join(folder, "manifest.json"), "utf8")) as { items: Receipt[] };
  const receipts = manifest.items.filter((_, i) => i % every === 0);
  const detector = createDetector();
  const counts = new Map<string, { lines: number; found: number; typed: number }>();
  const missed: LineOutcome[] = [];
  const hit: LineOutcome[] = [];
  let senderHits = 0;
  for (const receipt of receipts) {
    const page = ocr
      ? await ocr.read((await decodeDocument(join(folder, receipt.file))).pages[0]!.image)
      : pageOfTruth(receipt);
    const entities = await detector.detect(page, 0);
    for (const line of receipt.lines) {
      const field = line.field ?? "other";
      const on = entities.filter((entity) => touches(entity.box, line.box));
      const types = [...new Set(on.map((entity) => entity.type))];
      const outcome = { receipt: receipt.id, field, text: line.text, types };
      const count = counts.get(field) ?? { lines: 0, found: 0, typed: 0 };
      counts.set(field, count);
      count.lines++;
      if (field === "other" || field === "total") {
        if (on.length > 0) {
          count.found++;
          hit.push(outcome);
          if (field === "other" && types.some((t) => t === "company" || t === "address" || t === "date")) senderHits++;
        }
        continue;
      }
      const found = coveredWidth(on, line.box) >= 0.5 || (field === "date" && types.includes("date"));
      if (found) count.found++;
      else missed.push(outcome);
      if (types.includes(field)) count.typed++;
    }
  }
  const share = (field: string, key: "found" | "typed"): number => {
    const count = counts.get(field);
    return count ? count[key] / count.lines : 1;
  };
  return {
    receipts: receipts.length,
    company: share("company", "found"),
    address: share("address", "found"),
    date: share("date", "found"),
    companyTyped: share("company", "typed"),
    addressTyped: share("address", "typed"),
    otherHit: share("other", "found"),
    otherHitSender: senderHits / (counts.get("other")?.lines ?? 1),
    totalHit: share("total", "found"),
    missed,
    hit,
  };
}

/** True lines as an engine would give them; words get boxes in proportion to their characters. */
export function pageOfTruth(receipt: Receipt): OcrPage {
  const byRow = [...receipt.lines].sort((a, b) => a.box[1] - b.box[1] || a.box[0] - b.box[0]);
  return { lines: byRow.map(trueLine), width: receipt.width, height: receipt.height, engine: "truth" };
}

function trueLine({ text, box }: TrueLine): OcrLine {
  const parts = text.trim().split(/\s+/);
  const joined = parts.join(" ");
  const step = boxWidth(box) / joined.length;
  let at = 0;
  const words = parts.map((part) => {
    const x0 = box[0] + at * step;
    at += part.length + 1;
    return { text: part, box: [x0, box[1], x0 + part.length * step, box[3]] as const, confidence: 1 };
  });
  return { text: joined, box, words, confidence: 1 };
}
