/** How much of the labelled personal data of real receipts detection finds on perfectly read lines, and what else it hits. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createDetector } from "../src/detection/detector.ts";
import { makeLine, readingOrder } from "../src/detection/lines.ts";
import type { OcrPage, OcrWord } from "../src/detection/ocr.ts";
import type { Box } from "../src/documents/geometry.ts";

interface Receipt {
  id: string;
  width: number;
  height: number;
  lines: { box: [number, number, number, number]; text: string; field?: string }[];
}

export interface DetectionScore {
  /** Share of the characters of these lines that are found, by field. */
  recall: Record<string, number>;
  /** Share of the lines without a field that are hit, and by what. */
  otherHit: number;
  otherTypes: Record<string, number>;
  missed: string[];
  hit: string[];
}

/** A receipt's true lines as an OCR engine would give them. */
export function truePage(receipt: Receipt): OcrPage {
  const lines = receipt.lines.map(({ box, text }) => {
    const parts = text.split(/\s+/).filter(Boolean);
    const unit = (box[2] - box[0]) / Math.max(1, text.length);
    let at = 0;
    const words: OcrWord[] = parts.map((part) => {
      const start = text.indexOf(part, at);
      at = start + part.length;
      const wordBox: Box = [box[0] + start * unit, box[1], box[0] + at * unit, box[3]];
      return { text: part, box: wordBox, confidence: 1 };
    });
    return makeLine(words);
  });
  return { lines: readingOrder(lines, (line) => line.box), width: receipt.width, height: receipt.height, engine: "truth" };
}

export function measureDetection(folder: string): DetectionScore {
  const { items } = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as { items: Receipt[] };
  const detector = createDetector();
  const found: Record<string, [covered: number, all: number]> = {};
  const missed: string[] = [];
  const hit: string[] = [];
  const otherTypes: Record<string, number> = {};
  let others = 0;
  let otherHits = 0;
  for (const receipt of items) {
    const page = truePage(receipt);
    const entities = detector.detect(page, 0);
    for (const line of receipt.lines) {
      const index = page.lines.findIndex((l) => l.text === line.text.split(/\s+/).filter(Boolean).join(" ") && Math.abs(l.box[1] - line.box[1]) < 1);
      const own = entities.filter((e) => e.line === index);
      const covered = own.filter((e) => line.field === undefined || e.type === line.field || line.field !== "date").reduce((sum, e) => sum + e.text.length, 0);
      if (line.field === "company" || line.field === "address" || line.field === "date") {
        const entry = (found[line.field] ??= [0, 0]);
        entry[1]++;
        if (covered >= (line.field === "date" ? 6 : 0.6 * line.text.length)) entry[0]++;
        else missed.push(`${receipt.id} ${line.field}: ${line.text}`);
      } else if (line.field === undefined) {
        others++;
        if (own.length > 0) {
          otherHits++;
          for (const e of own) otherTypes[e.type] = (otherTypes[e.type] ?? 0) + 1;
          hit.push(`${receipt.id} ${own.map((e) => `${e.type}[${e.text}] ${e.reason}`).join(" ")} in: ${line.text}`);
        }
      }
    }
  }
  return {
    recall: Object.fromEntries(Object.entries(found).map(([field, [a, b]]) => [field, a / b])),
    otherHit: otherHits / others,
    otherTypes,
    missed,
    hit,
  };
}
