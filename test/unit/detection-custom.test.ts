/** Recognizers that users describe in YAML. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AnonymizerConfigInput } from "../../src/config/anonymizer-config.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { validatorNames } from "../../src/config/recognizer-config.ts";
import { createCustomRecognizer } from "../../src/detection/custom-recognizer.ts";
import { createDetector } from "../../src/detection/detector.ts";
import { validatorNamed } from "../../src/detection/validators.ts";
import type { AnonymizerError } from "../../src/errors.ts";
import { columnsOf } from "./helpers/ocr-page.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "custom-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const fromYaml = async (yaml: string) => {
  const file = join(folder, "engine.yaml");
  await writeFile(file, yaml);
  return loadConfig(file, "anonymizer");
};

const problems = (yaml: string): Promise<string> =>
  fromYaml(yaml).then(
    () => "",
    (error: AnonymizerError) => `${error.code} ${error.message.replaceAll(`${folder}/`, "")}`,
  );

type CustomInput = NonNullable<AnonymizerConfigInput["recognizers"]>[number];

async function found(recognizer: CustomInput, ...rows: string[]) {
  const { recognizers } = await loadConfig({ recognizers: [recognizer] }, "anonymizer");
  const detector = createDetector({
    types: [recognizer.type],
    recognizers: recognizers.map(createCustomRecognizer),
    minScore: 0.3,
  });
  const entities = await detector.detect(columnsOf(...rows), 0);
  return entities.filter((entity) => entity.recognizer.startsWith("custom:"));
}

const claim: CustomInput = { name: "claim", type: "id_number", patterns: [{ regex: "CL-\\d{4}", score: 0.4 }] };

describe("custom recognizers", () => {
  it("come from YAML with patterns, words, checks and zones", async () => {
    const config = await fromYaml(`
recognizers:
  - name: claim
    type: id_number
    patterns:
      - regex: 'CL-(?P<value>\\d{4})'
        score: 0.4
    context: { words: [Schaden, "claim file"], boost: 0.5 }
  - { name: seat, type: id_number, patterns: [{ regex: '[A-K]\\d{2}' }], zones: [footer] }
`);
    const recognizers = config.recognizers.map(createCustomRecognizer);
    const detector = createDetector({ types: ["id_number"], recognizers, minScore: 0.3 });
    const entities = await detector.detect(columnsOf("Ihr Brief CL-1234", "x", "CL-5678 B12"), 0);
    expect(entities.map(({ text, score, recognizer }) => [text, score, recognizer])).toEqual([
      ["1234", 0.4, "custom:claim"],
      ["5678", 0.4, "custom:claim"],
    ]);
    const near = await detector.detect(columnsOf("Ihr Schaden CL-1234"), 0);
    expect(near[0]).toMatchObject({ score: 0.9, reason: "pattern and context", evidence: { cue: "Schaden" } });
  });

  it("find whole words, in either case where told", async () => {
    expect(await found(claim, "XCL-1234 CL-12345 cl-1234")).toEqual([]);
    expect((await found({ ...claim, whole_words: false }, "XCL-1234 CL-56789")).map(({ text }) => text)).toEqual([
      "CL-1234",
      "CL-5678",
    ]);
    expect((await found({ ...claim, ignore_case: true }, "cl-1234")).map(({ text }) => text)).toEqual(["cl-1234"]);
  });

  it("take words on lines above, or insist on them", async () => {
    const context = { words: ["claim"], boost: 0.3, required: true };
    expect(await found({ ...claim, context }, "CL-1234")).toEqual([]);
    expect(await found({ ...claim, context }, "claims CL-1234")).toEqual([]);
    expect((await found({ ...claim, context }, "Claim:", "CL-1234"))[0]!.score).toBeCloseTo(0.7);
    expect(await found({ ...claim, context: { ...context, lines_above: 0 } }, "Claim:", "CL-1234")).toEqual([]);
  });

  it("check values by named rules", async () => {
    const number: CustomInput = { name: "n", type: "id_number", patterns: [{ regex: "#\\d{9}" }, { regex: "\\d{9}" }] };
    const checked = { ...number, validators: ["nl-bsn"] };
    expect((await found(checked, "no 111222333"))[0]).toMatchObject({
      score: 0.9,
      reason: "pattern and check digits",
      evidence: { check: "nl-bsn" },
    });
    expect(await found(checked, "no 111222334")).toEqual([]);
    for (const name of validatorNames) expect(validatorNamed(name)?.name, name).toBe(name);
  });

  it("keep to zones", async () => {
    const rows = [
      "ADVANCE HARDWARE SDN BHD",
      "NO 12, JALAN MAWAR 3 CL-1111",
      "81750 JOHOR BAHRU",
      "x",
      "y",
      "z",
      "CL-2222",
    ];
    const zoned = await found({ ...claim, type: "phone", zones: ["sender"] }, ...rows);
    expect(zoned.map(({ text }) => text)).toEqual(["CL-1111"]);
    expect(zoned[0]!.evidence?.zone).toBe("sender");
  });

  it("respect thresholds, types, allow and deny lists", async () => {
    const recognizers = [
      createCustomRecognizer((await loadConfig({ recognizers: [claim] }, "anonymizer")).recognizers[0]!),
    ];
    const texts = async (options: Parameters<typeof createDetector>[0]): Promise<string[]> =>
      (await createDetector({ recognizers, ...options }).detect(columnsOf("CL-1234 CL-5678"), 0)).map(
        ({ text }) => text,
      );
    expect(await texts({})).toEqual([]);
    expect(await texts({ minScores: { id_number: 0.4 } })).toEqual(["CL-1234", "CL-5678"]);
    expect(await texts({ minScores: { id_number: 0.4 }, allow: ["cl 1234"] })).toEqual(["CL-5678"]);
    expect(await texts({ deny: [{ text: "cl 5678", type: "id_number" }] })).toEqual(["CL-5678"]);
    expect(await texts({ minScores: { id_number: 0.4 }, types: ["person"] })).toEqual([]);
  });

  it("with patterns that others take for ever on are quick", async () => {
    const evil: CustomInput = {
      name: "evil",
      type: "id_number",
      patterns: [{ regex: "(?:(?:a+)+)+\\d" }],
      whole_words: false,
    };
    const { recognizers } = await loadConfig({ recognizers: [evil] }, "anonymizer");
    const recognizer = createCustomRecognizer(recognizers[0]!);
    expect(await recognizer.find(columnsOf("a".repeat(5000)))).toEqual([]);
  });
});

describe("mistakes are named with key and line", () => {
  it.each([
    ["    patterns: [{ regex: '(' }]", /engine\.yaml:5: recognizers\[0\]\.patterns\[0\]\.regex: is no pattern of RE2/],
    ["    patterns: [{ regex: '(?<=a)b' }]", /:5: .*look-around/],
    ["    patterns: [{ regex: '(a)\\1' }]", /:5: recognizers\[0\]\.patterns\[0\]\.regex/],
    ["    patterns: [{ regex: '(a{1000}){1000}' }]", /:5: .*repeat/],
    ["    patterns: [{ regex: 'x*' }]", /:5: .*empty text/],
    ["    patterns: []", /:5: recognizers\[0\]\.patterns: must have at least 1 entries/],
    ["    pattern: [{ regex: 'x' }]", /:5: recognizers\[0\]\.pattern: unknown key; did you mean/],
    [
      "    patterns: [{ regex: 'x' }]\n    validators: [nl-bns]",
      /:6: recognizers\[0\]\.validators\[0\].*did you mean nl-bsn/,
    ],
    ["    patterns: [{ regex: 'x' }]\n    zones: [top]", /:6: recognizers\[0\]\.zones\[0\]: must be sender/],
    ["    patterns: [{ regex: 'x', score: 2 }]", /:5: recognizers\[0\]\.patterns\[0\]\.score: must be at most 1/],
  ])("%s", async (lines, message) => {
    const told = await problems(`kind: anonymizer\nrecognizers:\n  - name: mine\n    type: person\n${lines}\n`);
    expect(told).toMatch(/^ERR_CONFIG_INVALID/);
    expect(told).toMatch(message);
  });

  it("and names may stand once only", async () => {
    const one = "  - { name: a, type: person, patterns: [{ regex: x }] }\n";
    expect(await problems(`recognizers:\n${one}${one}`)).toMatch(/:3: recognizers\[1\]\.name: stands twice: a/);
    expect(await problems(`recognizers:\n${one.replace("name: a", "name: A B")}`)).toMatch(/small letters/);
    expect(await problems(`recognizers:\n${one.replace("person", "persn")}`)).toMatch(/did you mean person/);
  });
});
