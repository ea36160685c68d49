/** The built package where onnxruntime-node is not installed: everything else works, and what is missing is named. */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ppocrFolder, ppocrMissing } from "../helpers/ppocr.ts";
import { root } from "../helpers/tiny.ts";

const run = promisify(execFile);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "anonymizer-without-"));
  const modules = join(folder, "node_modules");
  const own = join(modules, "anonymizer-native");
  await mkdir(own, { recursive: true });
  await cp(join(root, "dist"), join(own, "dist"), { recursive: true });
  await cp(join(root, "package.json"), join(own, "package.json"));
  for (const name of await readdir(join(root, "node_modules"))) {
    if (name.startsWith(".") || name === "onnxruntime-node") continue;
    await symlink(join(root, "node_modules", name), join(modules, name));
  }
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  await writeFile(
    join(folder, "use.mjs"),
    `import { Anonymizer } from "anonymizer-native";
const [engine, models] = process.argv.slice(2);
try {
  const anonymizer = await Anonymizer.create({ engine: "classical", ocr: { engine, ...(models && { models }) } });
  console.log(JSON.stringify(anonymizer.reading));
  await anonymizer.close();
} catch (error) {
  console.log(JSON.stringify(error));
}
`,
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const use = async (...args: string[]): Promise<Record<string, unknown>> => {
  const { stdout } = await run(process.execPath, ["use.mjs", ...args], { cwd: folder });
  return JSON.parse(stdout) as Record<string, unknown>;
};

describe("without onnxruntime-node", () => {
  it("PP-OCR asked for by name gives a code and the package to install", async () => {
    const error = await use("ppocr");
    expect(error["code"]).toBe("ERR_OCR_RUNTIME");
    expect(error["cure"]).toContain("npm install onnxruntime-node");
  });

  it("tesseract reads, and the reason is told", async () => {
    expect(await use("tesseract")).toMatchObject({ chosen: "tesseract", verifiers: ["tesseract"] });
    expect(await use("auto")).toMatchObject({ chosen: "tesseract", reason: "no models of PP-OCR are installed" });
  });

  it.skipIf(ppocrMissing)("tesseract reads too where the models are there", async () => {
    expect(await use("auto", ppocrFolder)).toMatchObject({
      chosen: "tesseract",
      reason: "onnxruntime-node is not installed",
    });
  });

  it("doctor names it, and everything needed is fine", async () => {
    const { stdout } = await run(
      process.execPath,
      [join("node_modules", "anonymizer-native", "dist", "cli", "anonymizer.js"), "doctor", "--json"],
      {
        cwd: folder,
      },
    );
    const { works, findings } = JSON.parse(stdout) as { works: boolean; findings: Record<string, string>[] };
    expect(works).toBe(true);
    expect(findings.find((finding) => finding["name"] === "PP-OCR")).toMatchObject({
      status: "missing",
      importance: "optional",
      cure: expect.stringContaining("npm install onnxruntime-node"),
    });
  });
});
