import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Worker } from "node:worker_threads";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { parseFontFile } from "../../src/rendering/font-file.ts";
import {
  coveringFace,
  coversText,
  defaultFace,
  documentFaces,
  fontFace,
  fontFaces,
  fontFile,
  registerFace,
} from "../../src/rendering/fonts.ts";

describe("font faces", () => {
  it("all have a readable file that the canvas takes", () => {
    for (const face of documentFaces) {
      expect(fontFile(face).unitsPerEm, face.id).toBeGreaterThan(100);
      expect(() => registerFace(face)).not.toThrow();
    }
  });

  it("have ids and families of their own and serve every category", () => {
    expect(new Set(documentFaces.map((f) => f.id)).size).toBe(documentFaces.length);
    expect(new Set(documentFaces.map((f) => f.family)).size).toBe(documentFaces.length);
    expect([...new Set(fontFaces.map((f) => f.category))].sort()).toEqual(
      ["condensed", "dot-matrix", "handwriting", "mono", "sans", "serif", "typewriter"].sort(),
    );
  });

  it("of documents begin with those that print is matched with, and have the letters of their languages", () => {
    expect(documentFaces.slice(0, fontFaces.length)).toEqual(fontFaces);
    const letters = "äöüÄÖÜßéèêëàâçîïôûùœñÑáíóúì ¿¡€£%&@#º°";
    for (const face of documentFaces.slice(fontFaces.length)) expect(coversText(face, letters), face.id).toBe(true);
  });

  it("are found by id, and an unknown id is an error that names the known ones", () => {
    expect(fontFace("tinos-700").weight).toBe(700);
    expect(() => fontFace("comic-400")).toThrow(/comic-400.*arimo-400/);
  });

  it("are bolder at 700 than at 400: each family selects one file", () => {
    const width = (id: string): number =>
      fontFile(fontFace(id)).glyph(0x61)!.advance / fontFile(fontFace(id)).unitsPerEm;
    expect(width("arimo-700")).not.toBe(width("tinos-700"));
    expect(fontFile(fontFace("arimo-700")).glyph(0x61)!.ink).not.toEqual(
      fontFile(fontFace("arimo-400")).glyph(0x61)!.ink,
    );
  });
});

describe("coverage of texts", () => {
  it("is told from the font file, spaces aside", () => {
    expect(coversText(defaultFace, "Müller & Söhne 123, Łódź")).toBe(true);
    expect(coversText(defaultFace, "張偉")).toBe(false);
    expect(coversText(fontFace("vt323-400"), "a\u00a0b\tc\nd")).toBe(true);
  });

  it("picks another face only where the preferred one lacks a character", () => {
    const caveat = fontFace("caveat-400");
    expect(coveringFace("plain", caveat)).toBe(caveat);
    const hebrew = coveringFace("שלום", caveat);
    expect(coversText(hebrew, "שלום")).toBe(true);
    expect(coveringFace("張", caveat)).toBe(caveat);
  });
});

describe("a damaged font file", () => {
  it("is a coded error", () => {
    expect(() => parseFontFile(new Uint8Array(40), "x")).toThrow(expect.objectContaining({ code: "ERR_RENDER" }));
  });
});

describe("in worker threads", () => {
  it("fonts register and draw the same pixels in several workers at once", async () => {
    const folder = await transpiled([
      "errors.ts",
      "documents/image.ts",
      "documents/geometry.ts",
      "rendering/font-file.ts",
      "rendering/fonts.ts",
      "rendering/exact-text.ts",
      "rendering/text.ts",
    ]);
    try {
      const script = join(folder, "worker.mjs");
      await writeFile(
        script,
        `import { parentPort } from "node:worker_threads";
         import { fontFaces } from "./rendering/fonts.js";
         import { renderCoverage } from "./rendering/text.js";
         const sums = fontFaces.map((face) => renderCoverage("Worker 7", { face, sizePx: 24, width: 160, height: 40, x: 4, baseline: 30 }).reduce((a, b) => a + b, 0));
         parentPort.postMessage(sums);`,
      );
      const sums = await Promise.all([1, 2, 3].map(() => answerOf(new Worker(script))));
      expect(sums[0]!.every((sum) => sum > 0)).toBe(true);
      expect(new Set(sums[0]).size).toBe(fontFaces.length);
      expect(sums[1]).toEqual(sums[0]);
      expect(sums[2]).toEqual(sums[0]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

const answerOf = (worker: Worker): Promise<number[]> =>
  new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });

/** Source files as JavaScript in a folder of their own, as they are when the package is installed somewhere else. */
async function transpiled(files: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "fonts-test-"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  await symlink(join(import.meta.dirname, "../../node_modules"), join(folder, "node_modules"));
  for (const file of files) {
    const source = await readFile(join(import.meta.dirname, "../../src", file), "utf8");
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2023,
        rewriteRelativeImportExtensions: true,
      },
    });
    const target = join(folder, file.replace(/\.ts$/, ".js"));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, outputText);
  }
  return folder;
}
