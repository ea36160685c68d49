// The HTTP server under ten clients for a minute (BENCH_SECONDS): what they are answered, how long it takes, what memory
// does. Small drawn pages, or with DATA=receipts real ones. Fails where an answer is an error, or memory grows.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { serveProblems } from "../serve-problems.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const clients = 10;
const warmUpMs = 30_000;
const measuredMs = Number(process.env.BENCH_SECONDS ?? 60) * 1000;
// Fewer places than clients: some have to be sent away.
const settings = ["service.concurrency=2", "service.queue=6"];

/** Small pages of a few lines, so that a minute has many of them. */
async function drawPages() {
  const { createCanvas, GlobalFonts } = await import("@napi-rs/canvas");
  const font = createRequire(import.meta.url).resolve("@expo-google-fonts/arimo/400Regular/Arimo_400Regular.ttf");
  GlobalFonts.registerFromPath(font, "Arimo");
  return ["ellen.marlow", "jonas.birk", "carla.winter", "piet.sanders", "nora.falk", "hugo.lindt"].map((name) => {
    const canvas = createCanvas(600, 240);
    const context = canvas.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, 600, 240);
    context.fillStyle = "black";
    context.font = "28px Arimo";
    const lines = ["Delivery note 4711", `E-mail: ${name}@example.org`, "Thank you for your order"];
    for (const [i, line] of lines.entries()) context.fillText(line, 40, 70 + 60 * i);
    return canvas.toBuffer("image/png");
  });
}

/** A dozen, spread evenly. Undefined where they are not asked for, or not there. */
function readReceipts() {
  const folder = join(root, "..", "shared", "data", "receipts", "images");
  if (process.env.DATA !== "receipts") return undefined;
  if (!existsSync(folder)) {
    console.log(`There are no receipts in ${folder}: drawn pages are taken`);
    return undefined;
  }
  const names = readdirSync(folder).sort();
  const count = Math.min(12, names.length);
  return Array.from({ length: count }, (_, i) =>
    readFileSync(join(folder, names[Math.floor((i * names.length) / count)])),
  );
}

async function residentMiB(url) {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)[1]) / 2 ** 20;
}

/** Sends pages until `until`; `record` gets status and seconds of each answer. */
async function client(number, url, pages, until, record) {
  for (let i = number; Date.now() < until(); i++) {
    const started = performance.now();
    const response = await fetch(`${url}/anonymize-document`, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body: pages[i % pages.length],
    });
    await response.arrayBuffer();
    record(response.status, (performance.now() - started) / 1000);
    if (response.status === 429) await sleep(Number(response.headers.get("retry-after")) * 1000);
  }
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

export async function run() {
  const receipts = readReceipts();
  const pages = receipts ?? (await drawPages());
  const args = ["serve", "--engine", "classical", "--port", "0", "--log-level", "error"];
  for (const setting of settings) args.push("--set", setting);
  const child = spawn(process.execPath, [join(root, "dist", "cli", "anonymizer.js"), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const url = String((await once(child.stdout, "data"))[0]).trim();
    while ((await fetch(`${url}/ready`)).status !== 200) await sleep(100);
    const begin = Date.now() + warmUpMs;
    const end = begin + measuredMs;
    const statuses = {};
    const seconds = [];
    let inTime = 0;
    const memory = [];
    const record = (status, took) => {
      if (Date.now() < begin) return;
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (Date.now() < end && status !== 429) inTime++;
      if (status === 200 || status === 422) seconds.push(took);
    };
    const sampling = (async () => {
      await sleep(begin - Date.now());
      while (Date.now() < end) {
        memory.push(await residentMiB(url));
        await sleep(1000);
      }
    })();
    const running = Array.from({ length: clients }, (_, i) => client(i, url, pages, () => end, record));
    await Promise.all([...running, sampling]);
    seconds.sort((a, b) => a - b);
    const at = (share) => Number(seconds[Math.floor(share * (seconds.length - 1))].toFixed(2));
    const third = Math.floor(memory.length / 3);
    const result = {
      pages: receipts === undefined ? "drawn" : `${receipts.length} receipts`,
      clients,
      seconds: measuredMs / 1000,
      settings,
      answers: statuses,
      documents_per_minute: Math.round((inTime * 60_000) / measuredMs),
      latency_seconds: { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) },
      resident_MiB: {
        first_third: Math.round(mean(memory.slice(0, third))),
        last_third: Math.round(mean(memory.slice(-third))),
        max: Math.round(Math.max(...memory)),
        every_20_s: memory.filter((_, i) => i % 20 === 0).map(Math.round),
      },
    };
    const problems = serveProblems(result);
    if (problems.length > 0) throw new Error(`${problems.join("\n")}\n${JSON.stringify(result, null, 2)}`);
    return result;
  } finally {
    child.kill("SIGTERM");
    await once(child, "exit");
  }
}
