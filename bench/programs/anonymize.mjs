// Our side of the anonymizing benchmark: one process, so that its peak memory is its own. usage: anonymize.mjs OPTIONS.json
import { readFileSync } from "node:fs";
import { Anonymizer } from "../../dist/index.js";
import { peakMiB } from "../../scripts/process-memory.mjs";

const { pages, config } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const anonymizer = await Anonymizer.create({ key: "a key for the benchmark", ...config });
// What is loaded once is not counted.
await anonymizer.anonymize(pages[0]);
const before = process.cpuUsage();
const started = performance.now();
const stages = {};
let proven = 0;
let regions = 0;
for (const page of pages) {
  const { report } = await anonymizer.anonymize(page);
  proven += report.proven ? 1 : 0;
  regions += report.entities.length;
  for (const [stage, ms] of Object.entries(report.timings_ms)) stages[stage] = (stages[stage] ?? 0) + ms / pages.length;
}
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(before);
await anonymizer.close();
const rounded = Object.fromEntries(Object.entries(stages).map(([stage, ms]) => [stage, Math.round(ms)]));
console.log(
  JSON.stringify({
    secondsPerPage: Number((seconds / pages.length).toFixed(3)),
    cpuSecondsPerPage: Number(((user + system) / 1e6 / pages.length).toFixed(3)),
    peakMiB: peakMiB(),
    proven,
    regionsPerPage: Number((regions / pages.length).toFixed(1)),
    stageMs: rounded,
  }),
);
