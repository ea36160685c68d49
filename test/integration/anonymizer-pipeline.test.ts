import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Anonymizer } from "../../src/anonymizer/anonymizer.ts";
import { drawSamplePage } from "../../src/anonymizer/sample-page.ts";
import { makeLine } from "../../src/detection/lines.ts";
import type { OcrEngine, OcrPage } from "../../src/detection/ocr.ts";
import { createTesseractEngine } from "../../src/detection/tesseract-engine.ts";
import { decodeDocument } from "../../src/documents/decode.ts";
import type { RasterImage } from "../../src/documents/image.ts";
import type { PatchEngine } from "../../src/inpainting/patch.ts";
import { reportSchema, reportText } from "../../src/report.ts";
import { foldText, readingSimilarity } from "../../src/verification/reading-similarity.ts";
import { sha256 } from "../helpers/hash.ts";
import { sampleKey as key, sampleLines as lines } from "../helpers/sample-lines.ts";

const originals = ["Ellen Marlow", "ellen.marlow@example.org", "+44 20 7946 0958"];

let ocr: OcrEngine;
let folder: string;
let png: Buffer;

const encode = (image: RasterImage) =>
  sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } });
const create = (config: object = {}, parts: object = {}) =>
  Anonymizer.create({ engine: "classical", key, ...config }, { parts: { ocr, ...parts } });

beforeAll(async () => {
  ocr = await createTesseractEngine({ workers: 1 });
  folder = await mkdtemp(join(tmpdir(), "anonymizer-test-"));
  png = await encode(drawSamplePage(lines)).png().toBuffer();
});
afterAll(async () => {
  await ocr.close();
  await rm(folder, { recursive: true, force: true });
});

describe("a document with personal data", () => {
  it("comes back with invented values, proven, and changed nowhere else", async () => {
    const anonymizer = await create();
    const result = await anonymizer.anonymize(png);
    const { report } = result;
    expect(report.unproven_because).toEqual([]);
    expect(report.proven).toBe(true);
    const types = report.entities.map((entity) => entity.type);
    expect(types).toEqual(expect.arrayContaining(["person", "email", "phone"]));
    expect(report.confidence).toBeGreaterThan(0.6);
    expect(report.verification.outside.changed).toBe(0);
    expect(report.verification.leaks).toEqual([]);

    // Looked at independently of the report: decode the written bytes and compare with the input.
    const before = drawSamplePage(lines);
    const after = (await decodeDocument(result.data)).pages[0]!.image;
    let outside = 0;
    let inside = 0;
    for (let i = 0; i < before.data.length; i++) {
      if (before.data[i] === after.data[i]) continue;
      const x = Math.floor(i / 3) % before.width;
      const y = Math.floor(i / 3 / before.width);
      // Masks reach a little beyond the text boxes.
      const near = report.entities.some(
        ({ box }) => x >= box[0] - 60 && x < box[2] + 60 && y >= box[1] - 16 && y < box[3] + 16,
      );
      if (near) inside++;
      else outside++;
    }
    expect(outside).toBe(0);
    expect(inside).toBeGreaterThan(1000);

    const read = (await ocr.read(after)).lines.map((line) => line.text).join("\n");
    for (const original of originals) expect(foldText(read)).not.toContain(foldText(original));
    expect(read).toContain("Total 128.40");
    const email = report.entities.find((entity) => entity.type === "email")!;
    expect(
      readingSimilarity(read.split("\n").find((line) => line.startsWith("E-mail"))!, `E-mail: ${email.fake}`),
    ).toBeGreaterThan(0.8);
    await anonymizer.close();
  });

  it("has a report that fits its schema and holds no original text unless asked", async () => {
    const anonymizer = await create();
    const { report } = await anonymizer.anonymize(png);
    expect(reportSchema.parse(JSON.parse(reportText(report)))).toEqual(JSON.parse(reportText(report)));
    const text = foldText(reportText(report));
    for (const original of originals) expect(text).not.toContain(foldText(original));
    expect(text).not.toContain(foldText("marlow"));
    await anonymizer.close();

    const open = await create({ report: { include_originals: true } });
    const shown = (await open.anonymize(png)).report.entities.map((entity) => entity.original);
    expect(shown).toContain("ellen.marlow@example.org");
    await open.close();
  });

  it("gives the same bytes for the same input, key and seed, and others for another key", async () => {
    const [a, b, other] = await Promise.all([create(), create(), create({ key: "another key for the same test" })]);
    const results = await Promise.all([a, b, other].map((anonymizer) => anonymizer!.anonymize(png)));
    expect(sha256(results[0]!.data)).toBe(sha256(results[1]!.data));
    expect(sha256(results[0]!.data)).not.toBe(sha256(results[2]!.data));
    expect(results[0]!.report.output.sha256).toBe(sha256(results[0]!.data));
    expect(a.keyId).not.toBe(other.keyId);
    const fakes = (i: number) => results[i]!.report.entities.map((entity) => entity.fake);
    for (const fake of fakes(0)) expect(fakes(2)).not.toContain(fake);
    await Promise.all([a.close(), b.close(), other.close()]);
  });

  it("is written without EXIF, XMP, ICC or embedded previews", async () => {
    const jpeg = await encode(drawSamplePage(lines))
      .jpeg({ quality: 95 })
      .withExif({ IFD0: { Artist: "Ellen Marlow", ImageDescription: "secret" } })
      .withIccProfile("p3")
      .toBuffer();
    expect((await sharp(jpeg).metadata()).exif).toBeDefined();
    const anonymizer = await create();
    const result = await anonymizer.anonymize(jpeg);
    const path = join(folder, "no-exif.jpg");
    await result.save(path);
    const metadata = await sharp(path).metadata();
    expect([metadata.exif, metadata.xmp, metadata.icc, metadata.iptc]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect((await readFile(path)).includes("Marlow")).toBe(false);
    expect(result.report.verification.metadata).toEqual({ clean: true, found: [] });
    await anonymizer.close();
  });

  it("keeps all pages of a TIFF, and one value has one invented value on all of them", async () => {
    const page = (text: string[]) => drawSamplePage(text);
    const { encodeDocument } = await import("../../src/documents/encode.ts");
    const pages = [page(lines), page(["Second page", "E-mail: ellen.marlow@example.org", "End of page"])];
    const tiff = await encodeDocument(
      pages.map((image, index) => ({ index, image })),
      "tiff",
    );
    const anonymizer = await create();
    const result = await anonymizer.anonymize(tiff);
    expect(result.report.unproven_because).toEqual([]);
    expect(result.pages).toHaveLength(2);
    const emails = result.report.entities.filter((entity) => entity.type === "email");
    expect(emails.map((entity) => entity.page)).toEqual([0, 1]);
    expect(emails[0]!.fake).toBe(emails[1]!.fake);
    await anonymizer.close();

    const toPng = await create({ output: { format: "png" } });
    await expect(toPng.anonymize(tiff)).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
    await toPng.close();
  });

  it("can be looked at first, without a change", async () => {
    const anonymizer = await create();
    const plan = await anonymizer.detect(png);
    const { report } = await anonymizer.anonymize(png);
    expect(plan.replacements.map(({ entity, fake }) => [entity.id, entity.type, fake])).toEqual(
      report.entities.map((entity) => [entity.id, entity.type, entity.fake]),
    );
    expect(plan.pages).toEqual([{ width: 600, height: 60 + 60 * lines.length }]);
    await anonymizer.close();
  });
});

describe("a document without personal data", () => {
  it("comes back unchanged and proven", async () => {
    const plain = await encode(drawSamplePage(["Total 12.40", "Cash 20.00", "Thank you"]))
      .png()
      .toBuffer();
    const anonymizer = await create();
    const result = await anonymizer.anonymize(plain);
    expect(result.report.entities).toEqual([]);
    expect(result.report.proven).toBe(true);
    const { image } = (await decodeDocument(plain)).pages[0]!;
    expect(Buffer.compare(image.data, result.image.data)).toBe(0);
    await anonymizer.close();
  });
});

describe("a drawing that is not good enough", () => {
  const engine = (name: "diffusion", generate: PatchEngine["generate"]): PatchEngine => ({
    name,
    generate,
    close: async () => {},
  });
  const leaky = engine("diffusion", async (patches) => patches.map(({ id, image }) => ({ id, image })));
  const broken = engine("diffusion", async () => {
    throw new Error("out of ink");
  });

  it("that leaves the original is tried again with another seed, then drawn by the classical engine", async () => {
    const anonymizer = await create({}, { patchEngine: leaky });
    const { report } = await anonymizer.anonymize(png);
    expect(report.proven).toBe(true);
    const email = report.entities.find((entity) => entity.type === "email")!;
    expect(email.engine).toBe("classical");
    expect(email.attempts.slice(0, 2).map((a) => [a.engine, a.verdict])).toEqual([
      ["diffusion", "original_readable"],
      ["diffusion", "original_readable"],
    ]);
    expect(email.attempts[0]!.seed).not.toBe(email.attempts[1]!.seed);
    expect(email.attempts.at(-1)).toMatchObject({ engine: "classical", verdict: "accepted" });
    await anonymizer.close();
  });

  it("because the engine fails costs the region an attempt, not the document", async () => {
    const anonymizer = await create({ gate: { retries: 0 } }, { patchEngine: broken });
    const { report } = await anonymizer.anonymize(png);
    expect(report.proven).toBe(true);
    expect(report.entities[0]!.attempts[0]).toMatchObject({
      engine: "diffusion",
      verdict: "failed",
      error: "ERR_NATIVE",
    });
    await anonymizer.close();
  });

  it("by any engine is covered with a solid box, and the report says so", async () => {
    // An engine that reads the input, and nothing on any result: no drawing can be recognised.
    let readings = 0;
    const blind: OcrEngine = {
      name: "blind",
      close: async () => {},
      read: async (image, options) => {
        const page = await ocr.read(image, options);
        return readings++ === 0 ? page : { ...page, lines: [] };
      },
    };
    const anonymizer = await create({}, { ocr: blind });
    const { report, image } = await anonymizer.anonymize(png);
    expect(report.entities.length).toBeGreaterThan(0);
    for (const entity of report.entities) {
      expect(entity).toMatchObject({ engine: "solid", fake: null, confidence: 0.5 });
      expect(entity.attempts.map((attempt) => attempt.verdict)).toEqual(["illegible", "illegible", "accepted"]);
      const [x0, y0, x1, y1] = entity.box.map(Math.round) as [number, number, number, number];
      const middle = (Math.floor((y0 + y1) / 2) * image.width + Math.floor((x0 + x1) / 2)) * 3;
      expect([...image.data.subarray(middle, middle + 3)]).toEqual([0, 0, 0]);
    }
    expect(report.verification.regions.solid).toBe(report.entities.length);
    expect(report.proven).toBe(true);
    await anonymizer.close();

    const open = await create({ gate: { solid_fallback: false } }, { ocr: blind });
    readings = 0;
    const unproven = (await open.anonymize(png)).report;
    expect(unproven.entities.map((entity) => entity.engine)).not.toContain("solid");
    expect(unproven.proven).toBe(false);
    await open.close();
  });
});

describe("a result that can't be proven", () => {
  /** An OCR engine that always reads the input, whatever is painted: the originals seem to stay. */
  const stubborn = async (): Promise<OcrEngine> => {
    const first = await ocr.read(drawSamplePage(lines));
    return {
      name: "stubborn",
      read: async (image, options) => (options?.layout === "line" ? ocr.read(image, options) : (first as OcrPage)),
      close: async () => {},
    };
  };

  it("is told as such and not written, unless the caller insists", async () => {
    const anonymizer = await create({ gate: { solid_fallback: false } }, { ocr: await stubborn() });
    const result = await anonymizer.anonymize(png);
    expect(result.report.proven).toBe(false);
    expect(result.report.confidence).toBe(0);
    expect(result.report.verification.leaks.length).toBeGreaterThan(0);
    const path = join(folder, "unproven.png");
    const error = await result.save(path).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "ERR_NOT_PROVEN" });
    expect(foldText(JSON.stringify(error))).not.toContain("marlow");
    expect(await readdir(folder)).not.toContain("unproven.png");
    await result.save(path, { allowUnproven: true });
    expect(await readdir(folder)).toContain("unproven.png");
    await anonymizer.close();
  });
});

describe("the same value elsewhere", () => {
  it("is found where detection alone would not look, and gets the same invented value", async () => {
    const anonymizer = await create();
    const twice = [...lines, "Parcel ELLEN MARLOW 3 of 7"];
    const { report } = await anonymizer.anonymize(await encode(drawSamplePage(twice)).png().toBuffer());
    expect(report.proven).toBe(true);
    const persons = report.entities.filter((entity) => entity.type === "person");
    expect(persons.length).toBe(2);
    // Known before anything is drawn, not found out afterwards.
    expect(report.verification.rounds).toBe(1);
    expect(new Set(persons.map((entity) => foldText(entity.fake!))).size).toBe(1);
    await anonymizer.close();
  });

  it("is replaced in a second round when only the reading of the result shows it", async () => {
    // A first reading that misses the signature line; the later ones see it.
    let readings = 0;
    const late: OcrEngine = {
      name: "late",
      close: async () => {},
      read: async (image, options) => {
        const page = await ocr.read(image, options);
        if (options?.layout === "line" || readings++ > 0) return page;
        return { ...page, lines: page.lines.filter((line) => !line.text.includes("Signed")) };
      },
    };
    const anonymizer = await create({}, { ocr: late });
    const twice = [...lines, "Signed by Ellen Marlow in person"];
    const { report } = await anonymizer.anonymize(await encode(drawSamplePage(twice)).png().toBuffer());
    expect(report.verification.rounds).toBeGreaterThan(1);
    expect(report.entities.some((entity) => entity.recognizer === "same-value")).toBe(true);
    expect(report.proven).toBe(true);
    await anonymizer.close();
  });
});

describe("personal data that only the reading of the result shows", () => {
  /** Reads the input through `blur`, and every result as it is. */
  const slow = (blur: (page: OcrPage) => OcrPage): OcrEngine => {
    let readings = 0;
    return {
      name: "slow",
      close: async () => {},
      read: async (image, options) => {
        const page = await ocr.read(image, options);
        return options?.layout === "line" || readings++ > 0 ? page : blur(page);
      },
    };
  };

  it("is replaced in a second round", async () => {
    const parts = {
      ocr: slow((page) => ({ ...page, lines: page.lines.filter((line) => !line.text.includes("Phone")) })),
    };
    const anonymizer = await create({}, parts);
    const { report } = await anonymizer.anonymize(png);
    const phone = report.entities.find((entity) => entity.type === "phone")!;
    expect(phone.reason).toContain("second reading");
    expect(report.verification.redetection.unknown).toEqual([]);
    expect(report.proven).toBe(true);
    await anonymizer.close();
  });

  it("is replaced also where a part of it was replaced before", async () => {
    const cut = (page: OcrPage): OcrPage => ({
      ...page,
      lines: page.lines.map((line) =>
        line.text.startsWith("Name") ? makeLine([line.words[0]!, ...line.words.slice(2)]) : line,
      ),
    });
    const anonymizer = await create({}, { ocr: slow(cut) });
    const { report, image } = await anonymizer.anonymize(png);
    const read = (await ocr.read(image)).lines.map((line) => line.text).join("\n");
    expect(report.entities.filter((entity) => entity.type === "person")).toHaveLength(2);
    for (const part of ["Ellen", "Marlow"]) expect(read).not.toContain(part);
    expect(report.proven).toBe(true);
    await anonymizer.close();
  });

  it("is replaced also where the part that was replaced stands in the same word", async () => {
    const cut = (page: OcrPage): OcrPage => ({
      ...page,
      lines: page.lines.map((line) => {
        const word = line.words.find(({ text }) => text.includes("@"));
        if (!word) return line;
        // The first ten characters, "ellen.marl", are not read.
        const left = word.box[0] + ((word.box[2] - word.box[0]) * 10) / word.text.length;
        const rest = {
          ...word,
          text: word.text.slice(10),
          box: [left, word.box[1], word.box[2], word.box[3]] as const,
        };
        return makeLine(line.words.map((other) => (other === word ? rest : other)));
      }),
    });
    const anonymizer = await create({}, { ocr: slow(cut) });
    const { report, image } = await anonymizer.anonymize(png);
    const read = (await ocr.read(image)).lines.map((line) => line.text).join("\n");
    expect(report.entities.filter((entity) => entity.type === "email").length).toBeGreaterThan(1);
    expect(read).not.toContain("ellen");
    await anonymizer.close();
  });
});

describe("bad input", () => {
  it("is refused with a code, and the same anonymizer goes on working", async () => {
    const anonymizer = await create();
    const jpeg = await encode(drawSamplePage(lines)).jpeg().toBuffer();
    const giant = Buffer.from(png.subarray(0, 64));
    giant.writeUInt32BE(60_000, 16);
    giant.writeUInt32BE(60_000, 20);
    const textFile = join(folder, "letter.png");
    await writeFile(textFile, "Dear Ellen Marlow, this is no picture.");
    const cases: [string, string | Buffer][] = [
      ["ERR_DOCUMENT_DAMAGED", jpeg.subarray(0, jpeg.length / 2)],
      ["ERR_DOCUMENT_LIMIT", giant],
      ["ERR_DOCUMENT_FORMAT", textFile],
      ["ERR_DOCUMENT_NOT_FOUND", join(folder, "nothing.png")],
      ["ERR_DOCUMENT_EMPTY", Buffer.alloc(0)],
    ];
    for (const [code, input] of cases) {
      const error = await anonymizer.anonymize(input).catch((e: unknown) => e);
      expect(error, code).toMatchObject({ code });
      expect(JSON.stringify(error)).not.toContain("Marlow");
    }
    expect((await anonymizer.anonymize(png)).report.proven).toBe(true);
    await anonymizer.close();
  });

  it("and an output that can't be written leave nothing behind", async () => {
    const anonymizer = await create();
    const result = await anonymizer.anonymize(png);
    const before = await readdir(folder);
    const file = join(folder, "a-file");
    await writeFile(file, "");
    await expect(result.save(join(file, "x.png"))).rejects.toMatchObject({ code: "ERR_OUTPUT" });
    await expect(result.save(join(folder, "no", "such", "x.png"))).rejects.toMatchObject({ code: "ERR_OUTPUT" });
    expect((await readdir(folder)).filter((name) => name !== "a-file")).toEqual(before);
    await anonymizer.close();
  });

  it.each([
    [{ gate: { min_confidence: 2 } }, "ERR_CONFIG_INVALID"],
    [{ engine: "diffusion", models: "/nowhere" }, "ERR_MODEL_NOT_FOUND"],
  ])("in the configuration is refused: %j", async (config, code) => {
    await expect(Anonymizer.create(config as object)).rejects.toMatchObject({ code });
  });
});

describe("stopping", () => {
  it.each(["decode", "read", "draw", "prove", "encode"] as const)(
    "in stage %s rejects and leaves nothing",
    async (stage) => {
      const anonymizer = await create();
      const controller = new AbortController();
      const before = await readdir(folder);
      const seen: string[] = [];
      const work = anonymizer.anonymize(png, {
        signal: controller.signal,
        onProgress: (event) => {
          seen.push(event.stage);
          if (event.stage === stage) controller.abort();
        },
      });
      await expect(work).rejects.toMatchObject({ code: "ERR_ABORTED", name: "AbortError" });
      expect(seen.at(-1)).toBe(stage);
      expect(await readdir(folder)).toEqual(before);
      await anonymizer.close();
    },
  );

  it("by close rejects what is running, and later calls are refused", async () => {
    const anonymizer = await create();
    const work = anonymizer.anonymize(png);
    work.catch(() => undefined);
    await anonymizer.close();
    await expect(work).rejects.toMatchObject({ code: "ERR_ABORTED" });
    await expect(anonymizer.anonymize(png)).rejects.toMatchObject({ code: "ERR_CLOSED" });
    await anonymizer.close();
  });
});

it("tells its progress in the order of the flow", async () => {
  const anonymizer = await create();
  const stages: string[] = [];
  await anonymizer.anonymize(png, {
    onProgress: ({ stage, done, total }) => {
      expect(done).toBeLessThanOrEqual(total);
      if (stages.at(-1) !== stage) stages.push(stage);
    },
  });
  expect(stages.slice(0, 6)).toEqual(["decode", "read", "find", "invent", "draw", "prove"]);
  expect(stages.at(-1)).toBe("encode");
  await anonymizer.close();
});

describe("a page whose writing can't be read", () => {
  const mirrored = () => encode(drawSamplePage(lines)).flop();

  it("is not proven, also as one page of several", async () => {
    const { encodeDocument } = await import("../../src/documents/encode.ts");
    const { pages } = await decodeDocument(await mirrored().png().toBuffer());
    const straight = { index: 0, image: drawSamplePage(lines) };
    const tiff = await encodeDocument([straight, { index: 1, image: pages[0]!.image }], "tiff");
    const anonymizer = await create();
    const { report } = await anonymizer.anonymize(tiff);
    await anonymizer.close();
    expect(report.unproven_because).toEqual([
      expect.stringMatching(/^\d\d % of the ink on page 2 is writing that could not be read$/),
    ]);
    expect(report.proven).toBe(false);
  });

  it("is, where gate.max_unread allows it", async () => {
    const anonymizer = await create({ gate: { max_unread: 1 } });
    const { report } = await anonymizer.anonymize(await mirrored().png().toBuffer());
    await anonymizer.close();
    expect(report.verification.unread.share).toBeGreaterThan(0.5);
    expect(report.proven).toBe(true);
  });
});

describe("a second engine that looks at the result", () => {
  /** Reads as `engine` does, but sees one more line on every page that is not the input. */
  const seeing = (text: string, height = 10): OcrEngine => ({
    name: "second",
    async read(image, options) {
      const page = await ocr.read(image, options);
      if (options?.layout === "line") return page;
      const box = [10, page.height - height - 2, 300, page.height - 2] as const;
      return { ...page, lines: [...page.lines, makeLine([{ text: text.replaceAll(" ", ""), box, confidence: 0.95 }])] };
    },
    async close() {},
  });

  it("is named in the report and does not hinder a proof", async () => {
    const anonymizer = await create({}, { verifier: seeing("nothing of interest") });
    const { report } = await anonymizer.anonymize(png);
    await anonymizer.close();
    expect(report.proven).toBe(true);
    expect(report.reading).toEqual({
      requested: "custom",
      chosen: "tesseract",
      reason: "brought by the caller",
      verifiers: ["tesseract", "second"],
    });
    expect(reportSchema.parse(JSON.parse(reportText(report)))).toEqual(report);
  });

  it("completes the reading of the input: what it alone sees is found", async () => {
    const found = async (verifier: OcrEngine): Promise<string[]> => {
      const anonymizer = await create({}, { verifier });
      const { replacements } = await anonymizer.detect(png);
      await anonymizer.close();
      return replacements.map(({ entity }) => entity.text);
    };
    expect(await found(seeing("tom.bellow@example.org", 24))).toContain("tom.bellow@example.org");
    // Too small for print of this page.
    expect(await found(seeing("tom.bellow@example.org", 5))).not.toContain("tom.bellow@example.org");
  });

  it("has what it alone still reads replaced, too", async () => {
    const anonymizer = await create({}, { verifier: seeing("Ellen Marlow") });
    const { report } = await anonymizer.anonymize(png);
    await anonymizer.close();
    const seen = report.entities.find(({ recognizer, box }) => recognizer === "same-value" && box[0] === 10);
    expect(seen).toMatchObject({ type: "person", box: [10, expect.any(Number), 300, expect.any(Number)] });
    expect(report.verification.rounds).toBeGreaterThan(1);
  });
});
