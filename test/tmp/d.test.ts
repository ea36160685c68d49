import { test } from "vitest";
import { writeFileSync } from "node:fs";
import { measureDetection } from "../../bench/detection.bench.ts";
test("d", () => { const r = measureDetection("/work/shared/data/receipts"); writeFileSync("/tmp/notes/det.txt", [...r.missed, "=====", ...r.hit].join("\n")); console.log(JSON.stringify({ recall: r.recall, otherHit: r.otherHit, t: r.otherTypes })); });
