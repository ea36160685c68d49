/** Killed at any moment and run again, a run ends with every document done once, whole, and no trace of the kills. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openVault } from "../../src/anonymizer/memory.ts";
import { drawSamplePage } from "../../src/anonymizer/sample-page.ts";

const root = resolve(import.meta.dirname, "../..");
/** The built program. */
const program = join(root, "dist", "cli", "anonymizer.js");
const names = ["anna", "berta", "carla", "dora", "edna", "fanny", "greta", "hanna"];
const count = names.length;
const key = "a key for the killed run";
let folder: string;
let scans: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "run-killed-"));
  scans = join(folder, "scans");
  await mkdir(scans);
  for (let i = 0; i < count; i++) {
    const { data, width, height } = drawSamplePage([
      `Note ${i}`,
      `E-mail: ${names[i]}.marlow@example.org`,
      "Thank you",
    ]);
    await sharp(data, { raw: { width, height, channels: 3 } }).toFile(join(scans, `${i}.png`));
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program; kills it without warning as soon as `when` says so. */
function run(out: string, when: (stderr: string) => boolean | Promise<boolean>): Promise<Ended> {
  const args = [
    "run",
    scans,
    "--out",
    out,
    "--jobs",
    "2",
    "--json",
    "--vault",
    `${out}.vault`,
    "--engine",
    "classical",
    "--preview",
    "--preview-originals",
  ];
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, ANONYMIZER_KEY: key },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const watch = setInterval(async () => {
    if (await when(stderr)) child.kill("SIGKILL");
  }, 2);
  return new Promise((ended) =>
    child.on("close", (code) => {
      clearInterval(watch);
      ended({ code, stdout, stderr });
    }),
  );
}

const allFiles = async (out: string): Promise<string[]> => readdir(out, { recursive: true }).catch(() => []);
const results = async (out: string): Promise<string[]> =>
  (await readdir(out).catch(() => [])).filter((name) => /^\d\.png$/.test(name)).sort();

describe("a run that is killed", () => {
  it("goes on where it was: no document twice, none half-written, nothing left behind", async () => {
    const out = join(folder, "out");
    const finished = new Map<string, number>();
    let kills = 0;
    for (const wanted of [0, 1, 3, 5]) {
      // At a temporary file the result (or report, or review page) is just being written.
      const { code } = await run(out, async () => {
        const there = await allFiles(out);
        const done = there.filter((name) => /^\d\.png$/.test(name)).length;
        return done > wanted || (done >= wanted && there.some((name) => /^preview.*\.tmp$/.test(name)));
      });
      if (code === null) kills++;
      for (const name of await allFiles(out))
        if (name.startsWith("preview/pages/")) expect((await stat(join(out, name))).mode & 0o077, name).toBe(0);
      for (const name of await results(out)) {
        const path = join(out, name);
        // Whole at any moment.
        expect((await sharp(await readFile(path)).stats()).channels.length).toBeGreaterThan(0);
        const { mtimeMs } = await stat(path);
        expect(mtimeMs, name).toBe(finished.get(name) ?? mtimeMs);
        finished.set(name, mtimeMs);
      }
    }
    expect(kills).toBeGreaterThanOrEqual(3);
    expect(finished.size).toBeGreaterThan(0);

    const last = await run(out, () => false);
    expect(last.code).toBe(0);
    const { documents } = JSON.parse(last.stdout);
    expect(documents).toMatchObject({ total: count, proven: count, failed: 0, left: 0, skipped: finished.size });
    for (const [name, mtimeMs] of finished) expect((await stat(join(out, name))).mtimeMs, name).toBe(mtimeMs);
    const left = await allFiles(out);
    expect(left.filter((name) => /\.(tmp|lock)$/.test(name))).toEqual([]);
    expect(await results(out)).toHaveLength(count);
    expect(left.filter((name) => /^preview\/pages\/\d\.png\.html$/.test(name))).toHaveLength(count);

    // What stands on a result can be looked up, whichever run wrote it.
    const vault = await openVault({ vault: `${out}.vault`, key });
    for (let i = 0; i < count; i++) {
      const report = JSON.parse(await readFile(join(out, `${i}.report.json`), "utf8"));
      const { fake } = report.entities.find(({ type }: { type: string }) => type === "email");
      const found = await vault.find({ fake, document: `${i}.png` });
      expect(found.map(({ original }) => original)).toEqual([`${names[i]}.marlow@example.org`]);
    }

    // The same bytes as of a run that nobody disturbed.
    const calm = join(folder, "calm");
    expect((await run(calm, () => false)).code).toBe(0);
    for (const name of await results(out)) {
      expect((await readFile(join(out, name))).equals(await readFile(join(calm, name))), name).toBe(true);
    }
  });
});
