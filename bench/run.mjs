// npm run bench [-- NAME…]
import { appendFileSync, mkdirSync, readdirSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const all = readdirSync(join(here, "benches"))
  .map((file) => file.replace(/\.mjs$/, ""))
  .sort();
const wanted = process.argv.slice(2).filter((name) => name !== "--");
const unknown = wanted.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`There is no benchmark ${unknown.join(", ")}; there are ${all.join(", ")}`);
  process.exit(2);
}
mkdirSync(join(here, "results"), { recursive: true });
for (const name of wanted.length > 0 ? wanted : all) {
  console.log(`\n## ${name}`);
  const { run } = await import(join(here, "benches", `${name}.mjs`));
  const result = await run();
  console.log(JSON.stringify(result, null, 2));
  const entry = {
    name,
    date: new Date().toISOString(),
    node: process.version,
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    result,
  };
  appendFileSync(join(here, "results", `${name}.jsonl`), `${JSON.stringify(entry)}\n`);
}
