/** What `anonymizer run` leaves on the disk when something goes wrong, and who can read it. */
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawSamplePage } from "../../src/anonymizer/sample-page.ts";
import { cli, filesOf } from "../helpers/run-cli.ts";

const text = ["Delivery note", "Phone: +49 351 4405127", "E-mail: ada.marlow@example.org", "Thank you"];
const original = /marlow|4405127/i;
/** No reading ends in this time. */
const tooShort = ["--set", "ocr.timeout_ms=1"];
let folder: string;
let scan: string;
let keyFile: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cli-files-"));
  const { data, width, height } = drawSamplePage(text);
  scan = join(folder, "a.png");
  await sharp(data, { raw: { width, height, channels: 3 } }).toFile(scan);
  keyFile = join(folder, "key");
  await writeFile(keyFile, "a key for the files of a run", { mode: 0o600 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const runInto = (out: string, ...args: string[]) =>
  cli(["run", scan, "--out", out, "--key-file", keyFile, "--engine", "classical", ...args]);
const summaryOf = async (out: string) => JSON.parse(await readFile(join(out, "summary.json"), "utf8"));
const othersMay = async (...path: string[]) => (await stat(join(...path))).mode & 0o077;

describe("a document that fails when it is done again", () => {
  const results = async (out: string) => (await filesOf(out)).filter((name) => /^(a\.|preview\/pages)/.test(name));
  const all = ["a.png", "a.report.json", "preview/pages/a.png.html"];

  it("loses the result, report and review page of an earlier run that was asked for less", async () => {
    const out = join(folder, "less");
    expect((await runInto(out, "--types", "email", "--preview")).code).toBe(0);
    expect(await results(out)).toEqual(all);
    const again = await runInto(out, ...tooShort);
    expect(again).toMatchObject({ code: 4, stderr: expect.stringContaining("ERR_OCR_TIMEOUT") });
    expect(await results(out)).toEqual([]);
  });

  it("keeps what answers the same settings, also when the input can't be read any more", async () => {
    const out = join(folder, "same");
    const own = join(folder, "own");
    await mkdir(own);
    await copyFile(scan, join(own, "a.png"));
    const args = ["run", join(own, "a.png"), "--out", out, "--key-file", keyFile, "--engine", "classical", "--preview"];
    expect((await cli(args)).code).toBe(0);
    expect((await cli([...args, "--force", ...tooShort])).code).toBe(4);
    expect(await results(out)).toEqual(all);
    await rm(join(own, "a.png"));
    expect(await cli(args)).toMatchObject({ code: 4, stderr: expect.stringContaining("ERR_DOCUMENT_NOT_FOUND") });
    expect(await results(out)).toEqual(all);
    // Another input, or other settings, are another matter.
    await writeFile(join(own, "a.png"), "no document");
    expect((await cli(args)).code).toBe(4);
    expect(await results(out)).toEqual([]);
  });

  it("keeps everything when it is interrupted", async () => {
    const out = join(folder, "interrupted");
    expect((await runInto(out, "--types", "email", "--preview")).code).toBe(0);
    const controller = new AbortController();
    const stopped = await cli(["run", scan, "--out", out, "--key-file", keyFile, "--engine", "classical"], {
      signal: controller.signal,
      tty: true,
      onStderr: (chunk) => {
        if (chunk.includes(": read")) controller.abort();
      },
    });
    expect(stopped.code).toBe(130);
    expect(await results(out)).toEqual(all);
  });

  it("done anew without review pages, an earlier page of it goes", async () => {
    const out = join(folder, "without-page");
    expect((await runInto(out, "--types", "email", "--preview")).code).toBe(0);
    expect((await runInto(out)).code).toBe(0);
    expect(await results(out)).toEqual(["a.png", "a.report.json"]);
  });
});

describe("a review page that can't be written", () => {
  it("is a warning: the document is done, and told so", async () => {
    const out = join(folder, "warned");
    await mkdir(join(out, "preview"), { recursive: true });
    await writeFile(join(out, "preview", "pages"), "in the way");
    for (const skipped of [false, true]) {
      const { code, stderr } = await runInto(out, "--preview");
      expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining("NO REVIEW PAGE") });
      const summary = await summaryOf(out);
      expect(summary.documents).toMatchObject({ proven: 1, failed: 0, skipped: skipped ? 1 : 0 });
      expect(summary.results[0]).toMatchObject({ output: "a.png", status: "proven", warning: { code: "ERR_OUTPUT" } });
      expect(summary.results[0].error).toBeUndefined();
      expect(await readFile(join(out, "preview", "index.html"), "utf8")).toContain("ERR_OUTPUT");
    }
  });
});

describe("files that hold originals", () => {
  it("are readable by their owner only, shown in review pages when asked, and cleared away half-written", async () => {
    const out = join(folder, "originals");
    const pages = join(out, "preview", "pages", "sub");
    await mkdir(pages, { recursive: true });
    await writeFile(join(pages, `.anonymizer-999999-${"0".repeat(12)}.tmp`), "left by a killed run");
    expect((await runInto(out, "--include-originals", "--preview")).code).toBe(0);
    expect(await readFile(join(out, "a.report.json"), "utf8")).toMatch(original);
    expect(await othersMay(out, "a.report.json")).toBe(0);
    const page = join(out, "preview", "pages", "a.png.html");
    expect(await readFile(page, "utf8")).not.toMatch(original);
    expect((await runInto(out, "--include-originals", "--preview-originals")).code).toBe(0);
    expect(await readFile(page, "utf8")).toMatch(original);
    expect(await othersMay(page)).toBe(0);
    expect((await filesOf(out)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

describe("standard output that can't be written", () => {
  it("fails `run -`, which then tells of no proven result and keeps no report of one", async () => {
    const reports = join(folder, "full");
    const stdin = Readable.from([await readFile(scan)]);
    const full = Object.assign(new Error("no space"), { code: "ENOSPC" });
    const { code, stderr } = await cli(["run", "-", "--report", reports], { stdin, stdoutError: full });
    expect(code).toBe(1);
    expect(stderr).toMatch(/ERR_OUTPUT: Standard output could not be written \(ENOSPC\)/);
    expect(stderr).not.toContain("proven");
    expect(await filesOf(reports)).toEqual([]);
  });
});

describe("--names hash", () => {
  const secret = "Olga Sandmann";
  const hashed = ["--names", "hash", "--engine", "classical", "--preview", "--json"];

  it("leaves the names of inputs out of all that is written, and goes on from what is done", async () => {
    const scans = join(folder, secret);
    await mkdir(join(scans, "b"), { recursive: true });
    for (const name of [`${secret}.png`, join("b", `${secret}.png`)]) await copyFile(scan, join(scans, name));
    await writeFile(join(scans, `${secret}.jpg`), (await readFile(scan)).subarray(0, 400));
    const out = join(folder, "hashed");
    const args = ["run", scans, "--out", out, "--key-file", keyFile, ...hashed];
    const first = await cli(args);
    expect(first.code).toBe(4);
    // Who runs it is told which one failed.
    expect(first.stderr).toContain(`${secret}.jpg`);
    const names = await filesOf(out);
    expect(names.filter((name) => /^[0-9a-f]{16}\.png$/.test(name))).toHaveLength(2);
    expect(names.filter((name) => /^[0-9a-f]{16}\.report\.json$/.test(name))).toHaveLength(2);
    const written = await Promise.all(names.map((name) => readFile(join(out, name), "latin1")));
    for (const content of [first.stdout, ...names, ...written]) expect(content).not.toMatch(/olga|sandmann/i);
    const summary = JSON.parse(first.stdout);
    expect(summary.documents).toMatchObject({ total: 3, proven: 2, failed: 1 });
    expect(summary.results.every((r: { input: string }) => /^[0-9a-f]{16}\.(png|jpg)$/.test(r.input))).toBe(true);

    const again = JSON.parse((await cli(args)).stdout);
    expect(again.documents).toMatchObject({ proven: 2, skipped: 2, failed: 1 });
    const other = join(folder, "other-key");
    await writeFile(other, "another key for the names", { mode: 0o600 });
    const dry = await cli(["run", scans, "--dry-run", "--key-file", other, "--names", "hash", "--json"]);
    const known = new Set(summary.results.map((r: { input: string }) => r.input));
    for (const { input } of JSON.parse(dry.stdout).results) expect(known.has(input)).toBe(false);
  });

  it("needs a key", async () => {
    const refused = await cli(["run", scan, "--out", join(folder, "keyless"), ...hashed]);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("needs a key") });
  });
});
