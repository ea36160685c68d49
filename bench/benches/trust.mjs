// What can be trusted: what is found, what can still be read and what else changes, on real receipts and forms and on
// synthetic documents. Slow (about 20 s a document on two cores); stopped, it goes on where it was.
//
//   DATA=receipts,forms,synthetic  COUNT=200 (synthetic)  LIMIT=documents of each  ENGINE=classical|diffusion
//   JOBS=2  JOURNAL=folder
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { jsonLines } from "../../scripts/json-lines.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const data = join(root, "..", "shared", "data");
const formats = { receipts: "sroie", forms: "funsd" };
/** What the labels of receipts and forms name. */
const types = ["person", "company", "address", "phone", "email", "date"];

export async function run() {
  const { evaluate, importDataset, writeSyntheticDataset } = await import(join(root, "dist", "index.js"));
  const work = process.env.JOURNAL ?? join(root, ".cache", "bench-trust");
  const engine = process.env.ENGINE ?? "classical";
  const result = { engine };
  for (const name of (process.env.DATA ?? "receipts,forms,synthetic").split(",")) {
    const folder = join(work, name);
    const manifest = join(folder, "manifest.jsonl");
    if (!existsSync(manifest)) {
      mkdirSync(folder, { recursive: true });
      if (name === "synthetic")
        await writeSyntheticDataset({ seed: 23, count: Number(process.env.COUNT ?? 200), out: folder });
      else {
        await importDataset({ format: formats[name], source: join(data, name), out: folder });
        addLabels(manifest, join(root, "bench", "labels", `${name}.json`));
      }
    }
    const evaluation = await evaluate(manifest, {
      config: {
        engine,
        // The same invented values in every run.
        key: "bench-trust-with-a-fixed-key",
        ocr: { models: join(root, "models", "ppocr") },
        ...(name in formats && { types }),
      },
      journal: join(folder, `scores-${engine}.jsonl`),
      jobs: Number(process.env.JOBS ?? 2),
      ...(process.env.LIMIT && { limit: Number(process.env.LIMIT) }),
      onProgress: (done, total, id) => process.stderr.write(`\r${name} ${done}/${total} ${id}   `),
    });
    process.stderr.write("\n");
    const { per_document: _, ...figures } = evaluation;
    result[name] = figures;
  }
  return result;
}

/** `labels`: by document and type the places of the lines in the manifest; these data sets name few types by themselves. */
function addLabels(manifest, labels) {
  const known = JSON.parse(readFileSync(labels, "utf8"));
  const labelled = jsonLines(manifest).map((record) => {
    for (const [type, places] of Object.entries(known[record.id] ?? {}))
      for (const place of places) record.regions[place].entity = type;
    return JSON.stringify(record);
  });
  writeFileSync(manifest, `${labelled.join("\n")}\n`);
}
