// npm run fuzz [-- --count 2000 --seed 1 --only documents,configs --case 17 --from 500]
//
// Damaged documents, manifests, configurations, vaults, journals and reports through what reads them, and odd readings
// through the whole anonymizer (test/fuzz). Only the errors in src/errors.ts may come out: no other error, no crash, no
// hang, no file or thread left over, no memory that grows. Each violation is told with the arguments that repeat it.
// `count` is of documents; the others have less.
import { fork } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bundle } from "./bundle.mjs";

const here = fileURLToPath(import.meta.url);
const root = join(dirname(here), "..");

/** Share of `count` that a group gets. */
const shares = { documents: 1, manifests: 0.25, configs: 0.25, vaults: 0.15, journals: 0.1, reports: 0.1, flows: 0.25 };

/**
 * Runs the cases of a group in a process of its own, which is started again after a crash or a hang. Resolves to
 * { outcomes, violations: [{ index, what }], slowest: { index, ms }, peakRss }.
 *
 * @param program module that is told case numbers and answers as test/fuzz/program.ts does
 * @param indices the cases
 * @param limitMs how long a case may take
 * @param endMs how long the process may take to end by itself
 * @param maxRss bytes of memory the process may come to hold
 */
export async function fuzzGroup({
  program,
  args,
  indices,
  limitMs = 90_000,
  endMs = 20_000,
  maxRss = 1.5 * 2 ** 30,
  log = () => {},
}) {
  const temporary = mkdtempSync(join(tmpdir(), "fuzz-"));
  const result = { outcomes: {}, violations: [], slowest: { index: -1, ms: 0 }, peakRss: 0 };
  const violation = (index, what) => {
    result.violations.push({ index, what });
    log(`✗ case ${index}: ${what}`);
  };
  const waiting = [...indices];
  try {
    while (waiting.length > 0) {
      const child = fork(program, args, {
        env: { ...process.env, TMPDIR: temporary },
        stdio: ["ignore", "pipe", "pipe", "ipc"],
      });
      let told = "";
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (data) => (told = (told + data).slice(-2000)));
      const ended = new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal })));
      const next = (ms) =>
        new Promise((resolve) => {
          const timer = setTimeout(() => settle({ type: "hang" }), ms);
          const settle = (answer) => {
            clearTimeout(timer);
            child.off("message", settle);
            resolve(answer);
          };
          child.once("message", settle);
          void ended.then(({ code, signal }) => settle({ type: "crash", message: `${signal ?? code}: ${told}` }));
        });
      const ready = await next(60_000);
      if (ready.type !== "ready") {
        child.kill("SIGKILL");
        await ended;
        throw new Error(`The fuzzed process does not start: ${ready.message ?? ready.type}`);
      }
      let alive = true;
      while (alive && waiting.length > 0) {
        const index = waiting.shift();
        const started = performance.now();
        child.send(index);
        const answer = await next(limitMs);
        const ms = performance.now() - started;
        if (ms > result.slowest.ms) result.slowest = { index, ms: Math.round(ms) };
        if (answer.type === "done") {
          result.outcomes[answer.outcome] = (result.outcomes[answer.outcome] ?? 0) + 1;
          result.peakRss = Math.max(result.peakRss, answer.rss);
          if (answer.rss > maxRss) violation(index, `the process holds ${Math.round(answer.rss / 2 ** 20)} MiB`);
        } else if (answer.type === "violation") violation(index, answer.message);
        else if (answer.type === "hang") violation(index, `no end after ${limitMs} ms`);
        else violation(index, `the process ended (${answer.message})`);
        alive = answer.type === "done" || answer.type === "violation";
      }
      if (alive) {
        child.send(-1);
        const timer = setTimeout(() => {
          violation(-1, "the process does not end: something still runs in it");
          child.kill("SIGKILL");
        }, endMs);
        const { code, signal } = await ended;
        clearTimeout(timer);
        if (code !== 0 && signal !== "SIGKILL") violation(-1, `the process ended with ${code ?? signal}: ${told}`);
        const left = readdirSync(temporary);
        if (left.length > 0) violation(-1, `left in the temporary folder: ${left.join(", ")}`);
      } else {
        child.kill("SIGKILL");
        await ended;
        for (const name of readdirSync(temporary)) rmSync(join(temporary, name), { recursive: true, force: true });
      }
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  return result;
}

async function main() {
  const { values } = parseArgs({
    args: process.argv.slice(2).filter((argument) => argument !== "--"),
    options: {
      count: { type: "string", default: "2000" },
      seed: { type: "string", default: "1" },
      only: { type: "string", default: Object.keys(shares).join(",") },
      from: { type: "string", default: "0" },
      case: { type: "string" },
    },
  });
  const [count, seed, from] = [values.count, values.seed, values.from].map(Number);
  const wanted = values.only.split(",");
  const unknown = wanted.filter((name) => !(name in shares));
  if (![count, seed, from].every((n) => Number.isInteger(n) && n >= 0) || unknown.length > 0) {
    console.error(`--count, --seed and --from are whole numbers; --only names ${Object.keys(shares).join(", ")}`);
    return 2;
  }
  const { program } = await bundle("fuzz", { program: "test/fuzz/program.ts" });
  let failed = 0;
  for (const group of wanted) {
    const cases = Math.ceil(count * shares[group]);
    const indices =
      values.case === undefined ? Array.from({ length: cases }, (_, i) => from + i) : [Number(values.case)];
    const started = performance.now();
    const log = (line) => console.log(`${group}: ${line}`);
    const args = [group, String(seed), join(root, "configs")];
    const { outcomes, violations, slowest, peakRss } = await fuzzGroup({ program, args, indices, log });
    failed += violations.length;
    console.log(
      JSON.stringify({
        group,
        cases: indices.length,
        seed,
        violations: violations.length,
        outcomes,
        slowest,
        peakMiB: Math.round(peakRss / 2 ** 20),
        seconds: Math.round((performance.now() - started) / 1000),
      }),
    );
    for (const { index } of violations)
      if (index >= 0) console.log(`  again: npm run fuzz -- --seed ${seed} --only ${group} --case ${index}`);
  }
  return failed === 0 ? 0 : 1;
}

if (process.argv[1] === here) process.exitCode = await main();
