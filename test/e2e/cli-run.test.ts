import { createHash } from "node:crypto";
import { copyFile, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawSamplePage } from "../../src/anonymizer/sample-page.ts";
import { reportSchema } from "../../src/report.ts";
import { cli, filesOf as files } from "../helpers/run-cli.ts";
import { writeTinyPack } from "../helpers/tiny-pack.ts";

let folder: string;
let scans: string;
let keyFile: string;
const names = ["a.png", "sub/b.jpg", "sub/deeper/c.png"];

const text = (name: string) => ["Delivery note", `E-mail: ${name}.marlow@example.org`, "Total 12.80", "Thank you"];

async function drawTo(path: string, name: string): Promise<void> {
  const { data, width, height } = drawSamplePage(text(name));
  await sharp(data, { raw: { width, height, channels: 3 } }).toFile(path);
}

const journal = ".anonymizer-run.jsonl";
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
      "--jobs",
      "2",
    ]);
    expect(first.stderr).not.toMatch(/\n\s+at /);
    expect(first.code).toBe(0);
    expect(await files(out)).toEqual(
      [
        journal,
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
      "--jobs",
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
    expect(await files(out)).toEqual([journal, "b.png", "deeper/c.png", "summary.json"]);
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
    expect(await files(out)).toEqual([journal, "good.jpg", "good.report.json", "summary.json"]);
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
    expect(left).toEqual([journal, "c0.png", "c0.report.json", "summary.json"]);
    expect((await json(out, "summary.json")).interrupted).toBe(true);
    await writeFile(join(out, `.anonymizer-999999-${"0".repeat(12)}.tmp`), "left by a killed run");
    const next = await cli(["run", many, "--out", out, "--key-file", keyFile, "--json"]);
    expect(next.code).toBe(0);
    expect(JSON.parse(next.stdout).documents).toMatchObject({ proven: 4, skipped: 1 });
    expect((await files(out)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });
});

/** A gate nothing passes, and no solid box to fall back on. */
const impossible = ["min_confidence=1", "leak_similarity=0.05", "solid_fallback=false"].flatMap((value) => [
  "--set",
  `gate.${value}`,
]);

describe("a document that can't be proven", () => {
  it("is not written, has its report, gives exit code 3, and an older result is taken away", async () => {
    const out = join(folder, "unproven");
    const file = join(scans, "sub", "deeper", "c.png");
    expect((await cli(["run", file, "--out", out, "--key-file", keyFile])).code).toBe(0);
    expect(await files(out)).toContain("c.png");
    const { code, stderr } = await cli(["run", file, "--out", out, "--key-file", keyFile, ...impossible]);
    expect(code).toBe(3);
    expect(stderr).toContain("NOT PROVEN");
    expect(await files(out)).toEqual([journal, "c.report.json", "summary.json"]);
    expect((await json(out, "c.report.json")).proven).toBe(false);
  });
});

describe("inputs", () => {
  it("patterns are expanded from where they begin", async () => {
    const dry = async (...inputs: string[]): Promise<string[]> => {
      const { code, stdout } = await cli(["run", ...inputs, "--dry-run", "--json"]);
      expect(code).toBe(0);
      return JSON.parse(stdout).results.map((result: { input: string }) => result.input.slice(scans.length + 1));
    };
    expect(await dry(join(scans, "**", "*.png"))).toEqual(["a.png", "sub/deeper/c.png"]);
    // notes.txt is no document.
    expect(await dry(join(scans, "*.*"))).toEqual(["a.png"]);
    expect(await dry(join(scans, "sub", "[a-b].{jpg,png}"))).toEqual(["sub/b.jpg"]);
    const out = join(folder, "pattern-out");
    expect((await cli(["run", join(scans, "s?b", "*.jpg"), "--out", out, "--report", "none"])).code).toBe(0);
    expect(await files(out)).toEqual([journal, "sub/b.jpg", "summary.json"]);
    const none = await cli(["run", join(scans, "*.gif"), scans, "--out", out]);
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining("ERR_DOCUMENT_EMPTY") });
  });

  it("- reads standard input and writes the result, and nothing else, to standard output", async () => {
    const input = await readFile(join(scans, "sub", "b.jpg"));
    const reports = join(folder, "stdin-reports");
    const { code, bytes, stdout, stderr } = await cli(["run", "-", "--key-file", keyFile, "--report", reports], {
      stdin: Readable.from([input.subarray(0, 1000), input.subarray(1000)]),
    });
    expect(code).toBe(0);
    expect(stdout).toBe("");
    expect(stderr).not.toMatch(/marlow/i);
    expect((await sharp(bytes).metadata()).format).toBe("jpeg");
    const report = await json(reports, "stdin.report.json");
    expect(report).toMatchObject({ proven: true, output: { bytes: bytes.length } });
    const bad = await cli(["run", "-"], { stdin: Readable.from([Buffer.from("no image")]) });
    expect(bad).toMatchObject({ code: 4, stderr: expect.stringContaining("ERR_DOCUMENT_FORMAT") });
    expect(bad.bytes).toHaveLength(0);
    const unproven = await cli(["run", "-", ...impossible], { stdin: Readable.from([input]) });
    expect(unproven.code).toBe(3);
    expect(unproven.bytes).toHaveLength(0);
  });

  it("a folder that another run works in is left alone", async () => {
    const out = join(folder, "locked");
    await mkdir(out);
    const stat = await readFile("/proc/self/stat", "utf8");
    const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    await writeFile(join(out, ".anonymizer-run.lock"), `${process.pid} ${start} other\n`);
    const refused = await cli(["run", join(scans, "a.png"), "--out", out]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("ERR_LOCKED") });
    await writeFile(join(out, ".anonymizer-run.lock"), "999999999 1 killed\n");
    expect((await cli(["run", join(scans, "a.png"), "--out", out])).code).toBe(0);
    expect((await files(out)).filter((name) => name.endsWith(".lock"))).toEqual([]);
  });
});

describe("a vault", () => {
  it("is written only when asked, and gives the originals back to who has the key", async () => {
    const out = join(folder, "vaulted");
    const vault = join(folder, "run.vault");
    const file = join(scans, "sub", "b.jpg");
    const dry = await cli(["run", file, "--dry-run", "--key-file", keyFile, "--vault", vault]);
    expect(dry.code).toBe(0);
    await expect(stat(vault)).rejects.toMatchObject({ code: "ENOENT" });
    expect(await cli(["run", file, "--out", out, "--vault", vault])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("needs a key"),
    });
    expect((await cli(["run", file, "--out", out, "--key-file", keyFile, "--vault", vault])).code).toBe(0);
    expect((await readFile(vault)).includes("marlow")).toBe(false);
    const { fake } = (await json(out, "b.report.json")).entities.find((e: { type: string }) => e.type === "email");
    const found = await cli(["reveal", fake, "--vault", vault, "--key-file", keyFile, "--json"]);
    expect(found.code).toBe(0);
    expect(JSON.parse(found.stdout).entries).toMatchObject([
      { fake, original: "berta.marlow@example.org", type: "email", document: { name: "b.jpg" }, page: 0 },
    ]);
    const table = await cli(["reveal", "--document", "b.jpg", "--vault", vault, "--key-file", keyFile]);
    expect(table.stdout).toMatch(/berta\.marlow@example\.org/);
    expect(await cli(["reveal", "nobody", "--vault", vault, "--key-file", keyFile])).toMatchObject({
      code: 1,
      stdout: "",
    });
    const otherKey = join(folder, "other-key");
    await writeFile(otherKey, "quite another key than that", { mode: 0o600 });
    const wrong = await cli(["reveal", fake, "--vault", vault, "--key-file", otherKey]);
    expect(wrong).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("ERR_VAULT_KEY") });
    expect(wrong.stderr).not.toMatch(/marlow|quite another key/);
    // Kept under a key of its own, the key of the invented values does not open it.
    const apart = join(folder, "apart.vault");
    const args = ["run", file, "--out", join(folder, "apart"), "--key-file", keyFile, "--vault", apart];
    expect((await cli([...args, "--vault-key-file", otherKey])).code).toBe(0);
    expect((await cli(["reveal", "--vault", apart, "--key-file", keyFile])).stderr).toContain("ERR_VAULT_KEY");
    expect((await cli(["reveal", "--vault", apart, "--vault-key-file", otherKey])).code).toBe(0);
  });
});

describe("the diffusion engine", () => {
  it("draws with the sampler that is asked for, and the report says what drew, read and ran", async () => {
    const models = join(folder, "pack");
    writeTinyPack(models);
    const out = join(folder, "diffused");
    const file = join(scans, "sub", "b.jpg");
    // The tiny models don't spell: what they draw is refused, and the classical engine follows.
    const { code, stderr } = await cli(
      ["run", file, "--out", out, "--engine", "diffusion", "--models", models, "--sampler", "dpmpp_2m"].concat(
        ["diffusion.steps=2", "gate.retries=0", "device=cpu"].flatMap((value) => ["--set", value]),
      ),
    );
    expect([code, stderr.includes("ERR_")]).toEqual([0, false]);
    const report = reportSchema.parse(await json(out, "b.report.json"));
    expect(report.engine).toMatchObject({ requested: "diffusion", chosen: "diffusion", sampler: "dpmpp_2m", steps: 2 });
    const attempts = report.entities.flatMap((entity) => entity.attempts.map(({ engine }) => engine));
    expect(attempts).toContain("diffusion");
    expect(report.reading.verifiers).toContain(report.reading.chosen);
    expect(Object.keys(report.timings_ms)).toEqual(
      expect.arrayContaining(["decode", "read", "find", "invent", "draw", "prove", "encode", "total"]),
    );
    expect(report.versions).toMatchObject({ node: process.versions.node, ocr: report.reading.chosen });
    const { sha256, bytes } = report.output;
    const written = await readFile(join(out, "b.jpg"));
    expect([bytes, sha256]).toEqual([written.length, createHash("sha256").update(written).digest("hex")]);

    // Another sampler is another configuration.
    const other = await cli(
      ["run", file, "--out", join(folder, "diffused2"), "--engine", "diffusion", "--models", models].concat(
        ["--sampler", "unipc"],
        ["diffusion.steps=2", "gate.retries=0", "device=cpu"].flatMap((value) => ["--set", value]),
      ),
    );
    expect(other.code).toBe(0);
    const second = await json(folder, "diffused2", "b.report.json");
    expect(second.engine.sampler).toBe("unipc");
    expect(second.config_sha256).not.toBe(report.config_sha256);
  });
});

describe("review pages", () => {
  it("show results without originals unless asked, also of documents done before, and load nothing", async () => {
    const out = join(folder, "reviewed");
    const args = ["run", join(scans, "sub"), "--out", out, "--key-file", keyFile];
    expect((await cli(args)).code).toBe(0);
    const again = await cli([...args, "--preview", "--json"]);
    expect(JSON.parse(again.stdout).documents).toMatchObject({ proven: 2, skipped: 2 });
    const pages = ["index.html", "pages/b.jpg.html", "pages/deeper/c.png.html"];
    expect(await files(join(out, "preview"))).toEqual(pages);
    const read = (name: string) => readFile(join(out, "preview", name), "utf8");
    const index = await read("index.html");
    expect(index).toContain('href="pages/deeper/c.png.html"');
    const page = await read("pages/deeper/c.png.html");
    expect(page).toContain('href="../../index.html"');
    expect(page.match(/<img /g)).toHaveLength(1);
    for (const html of [index, page]) {
      expect(html).toContain("default-src 'none'");
      expect(html).not.toMatch(/https?:|marlow|<script src|<link|@import|url\(/i);
    }
    expect((await cli([...args, "--preview-originals"])).code).toBe(0);
    expect((await read("pages/deeper/c.png.html")).match(/<img /g)).toHaveLength(2);
    expect((await stat(join(out, "preview", "pages", "deeper", "c.png.html"))).mode & 0o077).toBe(0);
  });

  it("never show the picture of a document that could not be proven", async () => {
    const out = join(folder, "reviewed-unproven");
    const impossible = ["gate.min_confidence=1", "gate.leak_similarity=0.05", "gate.solid_fallback=false"];
    const file = join(scans, "sub", "deeper", "c.png");
    const { code } = await cli(["run", file, "--out", out, "--preview", ...impossible.flatMap((v) => ["--set", v])]);
    expect(code).toBe(3);
    const page = await readFile(join(out, "preview", "pages", "c.png.html"), "utf8");
    expect(page).not.toContain("<img");
    expect(page).toContain("could not be proven");
    expect(await readFile(join(out, "preview", "index.html"), "utf8")).toContain("1 could not be proven");
  });
});

describe("eval", () => {
  it("scores a labelled manifest as a table and as JSON, and writes no document", async () => {
    const data = join(folder, "labelled");
    await mkdir(data);
    await copyFile(join(scans, "sub", "deeper", "c.png"), join(data, "c.png"));
    await writeFile(join(data, "broken.png"), "not an image");
    const { width, height } = drawSamplePage(text("cleo"));
    const regions = text("cleo").map((line, i) => ({
      box: [40, 40 + 60 * i, 460, 80 + 60 * i],
      text: line,
      ...(line.startsWith("E-mail") ? { entity: "email" } : {}),
    }));
    const record = { id: "c", image: "c.png", width, height, split: "test", regions };
    await writeFile(join(data, "manifest.jsonl"), `${JSON.stringify(record)}\n`);
    const before = await files(data);
    const args = ["eval", join(data, "manifest.jsonl"), "--key-file", keyFile];
    const scored = JSON.parse((await cli([...args, "--json"])).stdout);
    expect(scored).toMatchObject({
      documents: { total: 1, proven: 1, unproven: 0, failed: 0 },
      types: { email: { labelled: 1, found: 1, precision: 1, recall: 1, f1: 1 } },
      others: { lines: 3, untouched: 1 },
      outside: { changed_pixels: 0, encoded_changed_values: 0, psnr: null, ssim: 1 },
    });
    expect(Object.values(scored.engines)).toMatchObject([{ searched: 1, readable: 0, documents: [] }]);
    const journal = join(folder, "scores.jsonl");
    const table = await cli([...args, "--journal", journal]);
    expect(table.code).toBe(0);
    // What is in the journal is not done again, unless the settings differ.
    expect((await readFile(journal, "utf8")).trim().split("\n")).toHaveLength(1);
    const again = JSON.parse((await cli([...args, "--journal", journal, "--json"])).stdout);
    expect({ ...again, seconds: 0 }).toEqual({ ...scored, seconds: 0 });
    expect((await readFile(journal, "utf8")).trim().split("\n")).toHaveLength(1);
    await cli([...args, "--journal", journal, "--types", "email"]);
    expect((await readFile(journal, "utf8")).trim().split("\n")).toHaveLength(2);
    expect(await readFile(journal, "utf8")).not.toMatch(/marlow/i);
    expect((await cli([...args, "--offset", "1"])).stderr).toContain("ERR_DATASET_EMPTY");
    expect(table.stdout).toMatch(/email +1 +1 +1\.000 +1\.000/);
    expect(table.stdout + table.stderr).not.toMatch(/marlow/i);

    // Personal data that is not looked for stays readable, and is told.
    const blind = JSON.parse(
      (await cli([...args, "--json", "--set", "min_scores={email: 1}", "--set", "min_score=1"])).stdout,
    );
    expect(blind.types.email).toMatchObject({ labelled: 1, found: 0, recall: 0 });
    expect(Object.values(blind.engines)).toMatchObject([{ readable: 1, documents: ["c"] }]);
    expect(await files(data)).toEqual(before);

    const broken = { ...record, id: "d", image: "broken.png" };
    await writeFile(join(data, "manifest.jsonl"), `${JSON.stringify(record)}\n${JSON.stringify(broken)}\n`);
    const failed = await cli([...args, "--json"]);
    expect(failed.code).toBe(4);
    expect(JSON.parse(failed.stdout).problems).toEqual([{ id: "d", because: ["ERR_DOCUMENT_FORMAT"] }]);
    const controller = new AbortController();
    controller.abort();
    expect((await cli(args, { signal: controller.signal })).code).toBe(130);
    expect((await cli(["eval", join(data, "none.jsonl")])).stderr).toContain("ERR_DATASET_NOT_FOUND");
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

describe("models install", () => {
  it("names the file that is no wheel, and leaves nothing behind", async () => {
    const to = join(folder, "models");
    const { code, stderr } = await cli(["models", "install", "ppocr", "--from", join(scans, "notes.txt"), "--to", to]);
    expect(code).toBe(1);
    expect(stderr).toContain("ERR_MODEL_SOURCE");
    expect(stderr).toContain("notes.txt");
    await expect(stat(to)).rejects.toThrow();
  });
});

describe("wrong use", () => {
  it.each([
    [["run"], 2, "missing required argument"],
    [["run", "x.png"], 2, "--out"],
    [["run", "-", "x.png"], 2, "Standard input"],
    [["run", "-", "--out", "y"], 2, "does not go with out"],
    [["reveal"], 2, "--vault"],
    [["run", "x.png", "--out", "y", "--engine", "magic"], 2, "magic"],
    [["run", "x.png", "--out", "y", "--ocr", "eyes"], 2, "eyes"],
    [["models", "install", "other", "--from", "x"], 2, "ppocr"],
    [["models", "install", "ppocr"], 2, "--from"],
    [["run", "x.png", "--out", "y", "--types", "person,shoe"], 2, "shoe"],
    [["run", "x.png", "--out", "y", "--jobs", "0"], 2, "whole number"],
    [
      ["run", "x.png", "--out", "y", "--jobs", "100"],
      2,
      "--jobs <n>' argument '100' is invalid. It must be at most 64",
    ],
    [["run", "in/[z-a]*.png", "--out", "y"], 2, 'ERR_USAGE: "[z-a]*.png"'],
    [["detect", "x.png", "--locale", "xx"], 1, 'no names for the locale "xx"'],
    [["detect", "x.png", "--locale", "../en"], 1, "ERR_CONFIG_INVALID"],
    [["paint"], 2, "paint"],
  ])("%j exits with %i", async (args, code, message) => {
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
