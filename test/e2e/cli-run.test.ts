import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawSamplePage } from "../../src/anonymizer/sample-page.ts";
import { main } from "../../src/cli/anonymize/main.ts";

let folder: string;
let scans: string;
let keyFile: string;
const names = ["a.png", "sub/b.jpg", "sub/deeper/c.png"];

const text = (name: string) => ["Delivery note", `E-mail: ${name}.marlow@example.org`, "Total 12.80", "Thank you"];

async function drawTo(path: string, name: string): Promise<void> {
  const { data, width, height } = drawSamplePage(text(name));
  await sharp(data, { raw: { width, height, channels: 3 } }).toFile(path);
}

/** Runs the command line in this process. */
async function cli(args: string[], options: { signal?: AbortSignal; onStderr?: (text: string) => void } = {}) {
  let stdout = "";
  let stderr = "";
  const terminal = {
    stdout: {
      write: (chunk: string) => {
        stdout += chunk;
      },
    },
    stderr: {
      write: (chunk: string) => {
        stderr += chunk;
        options.onStderr?.(chunk);
      },
    },
  };
  const code = await main(args, terminal, options.signal ?? new AbortController().signal);
  return { code, stdout, stderr };
}

const files = async (at: string): Promise<string[]> =>
  (await readdir(at, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(at.length + 1))
    .sort();

const json = async (...path: string[]) => JSON.parse(await readFile(join(...path), "utf8"));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "anonymizer-cli-"));
  scans = join(folder, "scans");
  await mkdir(join(scans, "sub", "deeper"), { recursive: true });
  for (const [i, name] of names.entries()) await drawTo(join(scans, name), ["ada", "berta", "cleo"][i]!);
  await writeFile(join(scans, "notes.txt"), "not a document");
  keyFile = join(folder, "key");
  await writeFile(keyFile, "a key for the command line tests", { mode: 0o600 });
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

describe("run over a folder", () => {
  it("writes results at the same relative paths, a report beside each, and a summary; then skips what is done", async () => {
    const out = join(folder, "clean");
    const first = await cli([
      "run",
      scans,
      "--out",
      out,
      "--key-file",
      keyFile,
      "--engine",
      "classical",
      "--concurrency",
      "2",
    ]);
    expect(first.stderr).not.toMatch(/\n\s+at /);
    expect(first.code).toBe(0);
    expect(await files(out)).toEqual(
      [
        "a.png",
        "a.report.json",
        "sub/b.jpg",
        "sub/b.report.json",
        "sub/deeper/c.png",
        "sub/deeper/c.report.json",
        "summary.json",
      ].sort(),
    );
    expect(first.stdout).toContain("3 documents, 3 proven");
    const summary = await json(out, "summary.json");
    expect(summary.documents).toMatchObject({ total: 3, proven: 3, unproven: 0, failed: 0, skipped: 0, left: 0 });
    expect(summary.entities.email).toBe(3);
    const everything = await Promise.all((await files(out)).map((name) => readFile(join(out, name), "latin1")));
    for (const content of [...everything, first.stdout, first.stderr]) expect(content).not.toMatch(/marlow/i);

    const written = (await stat(join(out, "a.png"))).mtimeMs;
    const again = await cli([
      "run",
      scans,
      "--out",
      out,
      "--key-file",
      keyFile,
      "--engine",
      "classical",
      "--concurrency",
      "2",
      "--json",
    ]);
    expect(again.code).toBe(0);
    expect(JSON.parse(again.stdout).documents).toMatchObject({ proven: 3, skipped: 3 });
    expect((await stat(join(out, "a.png"))).mtimeMs).toBe(written);

    // A changed input, a changed result and a changed setting are each done again.
    await drawTo(join(scans, "a.png"), "another");
    await writeFile(join(out, "sub", "b.jpg"), "damaged");
    const third = await cli(["run", scans, "--out", out, "--key-file", keyFile, "--engine", "classical", "--json"]);
    expect(JSON.parse(third.stdout).documents).toMatchObject({ proven: 3, skipped: 1 });
    expect((await sharp(join(out, "sub", "b.jpg")).metadata()).format).toBe("jpeg");
    const fourth = await cli([
      "run",
      join(scans, "a.png"),
      "--out",
      out,
      "--key-file",
      keyFile,
      "--set",
      "seed=5",
      "--json",
    ]);
    expect(JSON.parse(fourth.stdout).documents).toMatchObject({ proven: 1, skipped: 0 });
    const forced = await cli([
      "run",
      join(scans, "a.png"),
      "--out",
      out,
      "--key-file",
      keyFile,
      "--set",
      "seed=5",
      "--force",
      "--json",
    ]);
    expect(JSON.parse(forced.stdout).documents).toMatchObject({ proven: 1, skipped: 0 });
  });

  it("in another format, with the reports elsewhere", async () => {
    const out = join(folder, "as-png");
    const reports = join(folder, "reports");
    const { code } = await cli(["run", join(scans, "sub"), "--out", out, "--format", "png", "--report", reports]);
    expect(code).toBe(0);
    expect(await files(out)).toEqual(["b.png", "deeper/c.png", "summary.json"]);
    expect(await files(reports)).toEqual(["b.report.json", "deeper/c.report.json"]);
    expect((await sharp(join(out, "b.png")).metadata()).format).toBe("png");
  });

  it("goes on after a bad document, and tells in exit code and summary", async () => {
    const mixed = join(folder, "mixed");
    const out = join(folder, "mixed-out");
    await mkdir(mixed);
    await copyFile(join(scans, "sub", "b.jpg"), join(mixed, "good.jpg"));
    const jpeg = await readFile(join(scans, "sub", "b.jpg"));
    await writeFile(join(mixed, "bad.jpg"), jpeg.subarray(0, jpeg.length / 2));
    const { code, stderr } = await cli(["run", mixed, join(folder, "missing.png"), "--out", out]);
    expect(code).toBe(4);
    expect(stderr).toContain("ERR_DOCUMENT_DAMAGED");
    expect(stderr).toContain("ERR_DOCUMENT_NOT_FOUND");
    expect(stderr).not.toMatch(/\n\s+at /);
    const summary = await json(out, "summary.json");
    expect(summary.documents).toMatchObject({ total: 3, proven: 1, failed: 2 });
    expect(summary.results.find((r: { error?: unknown }) => r.error).error).toMatchObject({ code: /^ERR_/, cure: /./ });
    expect(await files(out)).toEqual(["good.jpg", "good.report.json", "summary.json"]);
  });

  it("writes nothing on a dry run", async () => {
    const out = join(folder, "dry");
    const { code, stdout } = await cli(["run", scans, "--out", out, "--dry-run", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).documents.planned).toBe(3);
    await expect(stat(out)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("that is interrupted leaves no half file, and the next run finishes it", async () => {
    const many = join(folder, "many");
    await mkdir(many);
    for (let i = 0; i < 4; i++) await cp(join(scans, "sub", "deeper", "c.png"), join(many, `c${i}.png`));
    const out = join(folder, "many-out");
    const controller = new AbortController();
    const stopped = await cli(["run", many, "--out", out, "--key-file", keyFile], {
      signal: controller.signal,
      onStderr: (chunk) => {
        if (chunk.includes(" 1/4")) controller.abort();
      },
    });
    expect(stopped.code).toBe(130);
    const left = await files(out);
    expect(left).toEqual(["c0.png", "c0.report.json", "summary.json"]);
    expect((await json(out, "summary.json")).interrupted).toBe(true);
    await writeFile(join(out, `.anonymizer-999999-${"0".repeat(12)}.tmp`), "left by a killed run");
    const next = await cli(["run", many, "--out", out, "--key-file", keyFile, "--json"]);
    expect(next.code).toBe(0);
    expect(JSON.parse(next.stdout).documents).toMatchObject({ proven: 4, skipped: 1 });
    expect((await files(out)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

describe("a document that can't be proven", () => {
  it("is not written, has its report, gives exit code 3, and an older result is taken away", async () => {
    const out = join(folder, "unproven");
    const file = join(scans, "sub", "deeper", "c.png");
    // A gate nothing passes, and no solid box to fall back on.
    const impossible = [
      "--set",
      "gate.min_confidence=1",
      "--set",
      "gate.leak_similarity=0.05",
      "--set",
      "gate.solid_fallback=false",
    ];
    expect((await cli(["run", file, "--out", out, "--key-file", keyFile])).code).toBe(0);
    expect(await files(out)).toContain("c.png");
    const { code, stderr } = await cli(["run", file, "--out", out, "--key-file", keyFile, ...impossible]);
    expect(code).toBe(3);
    expect(stderr).toContain("NOT PROVEN");
    expect(await files(out)).toEqual(["c.report.json", "summary.json"]);
    expect((await json(out, "c.report.json")).proven).toBe(false);
  });
});

describe("detect", () => {
  it("shows types and invented values, and the originals only when asked", async () => {
    const file = join(scans, "sub", "b.jpg");
    const masked = await cli(["detect", file]);
    expect(masked.code).toBe(0);
    expect(masked.stdout).toMatch(/email/);
    expect(masked.stdout).toMatch(/b\*\*\*/);
    expect(masked.stdout).not.toMatch(/marlow/i);
    const shown = await cli(["detect", file, "--json", "--include-originals"]);
    expect(JSON.parse(shown.stdout).entities.map((e: { original: string }) => e.original)).toContain(
      "berta.marlow@example.org",
    );
  });
});

describe("doctor", () => {
  it("finds that documents can be anonymized here", async () => {
    const { code, stdout } = await cli(["doctor", "--json"]);
    const { works, findings } = JSON.parse(stdout);
    expect(works).toBe(true);
    expect(code).toBe(0);
    const byName = Object.fromEntries(findings.map((f: { name: string }) => [f.name, f]));
    expect(byName["Node"].status).toBe("fine");
    expect(byName["OCR"].status).toBe("fine");
    for (const finding of findings) if (finding.status !== "fine") expect(finding.cure, finding.name).toBeTruthy();
  });
});

describe("wrong use", () => {
  it.each([
    [["run"], 2, "--out"],
    [["run", "--out", "y"], 2, "missing required argument"],
    [["run", "x.png", "--out", "y", "--engine", "magic"], 2, "magic"],
    [["run", "x.png", "--out", "y", "--types", "person,shoe"], 2, "shoe"],
    [["run", "x.png", "--out", "y", "--concurrency", "0"], 2, "whole number"],
    [["paint"], 2, "paint"],
  ])("%j exits with 2", async (args, code, message) => {
    const result = await cli(args);
    expect(result.code).toBe(code);
    expect(result.stderr).toContain(message);
    expect(result.stderr).not.toMatch(/\n\s+at /);
  });

  it("an empty folder, an unwritable output and a bad configuration exit with 1 and their codes", async () => {
    const empty = join(folder, "empty");
    await mkdir(empty);
    expect(await cli(["run", empty, "--out", join(folder, "o")])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("ERR_DOCUMENT_EMPTY"),
    });
    expect(await cli(["run", scans, "--out", join(keyFile, "o")])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("ERR_OUTPUT"),
    });
    const config = join(folder, "bad.yaml");
    await writeFile(config, "engine: classical\nseeed: 3\n");
    const bad = await cli(["run", scans, "--out", join(folder, "o"), "--config", config]);
    expect(bad.code).toBe(1);
    expect(bad.stderr).toMatch(/ERR_CONFIG_INVALID[\s\S]*bad\.yaml:2[\s\S]*seeed/);
  });

  it("results that would meet or replace their inputs are refused before any work", async () => {
    const two = join(folder, "two");
    await mkdir(two, { recursive: true });
    await copyFile(join(scans, "sub", "b.jpg"), join(two, "b.jpg"));
    const clash = await cli(["run", join(scans, "sub", "b.jpg"), join(two, "b.jpg"), "--out", join(folder, "o")]);
    expect(clash).toMatchObject({ code: 2, stderr: expect.stringContaining("ERR_USAGE") });
    const same = await cli(["run", two, "--out", two]);
    expect(same).toMatchObject({ code: 2, stderr: expect.stringContaining("ERR_USAGE") });
  });

  it("--help and --version are fine", async () => {
    expect(await cli(["--help"])).toMatchObject({ code: 0, stdout: expect.stringContaining("doctor") });
    expect((await cli(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+/);
  });
});
