import { describe, expect, it } from "vitest";
import { Painting } from "../../src/anonymizer/painting.ts";
import { drawSamplePage } from "../../src/anonymizer/sample-page.ts";
import type { Entity } from "../../src/detection/entity.ts";
import { type Box, boxArea } from "../../src/documents/geometry.ts";
import { levelFrame } from "../../src/documents/level-frame.ts";
import { levelImage } from "../../src/documents/level-image.ts";
import type { Patch, PatchEngine } from "../../src/inpainting/patch.ts";
import { createSolidEngine } from "../../src/inpainting/solid-engine.ts";
import type { Replacement } from "../../src/replacement/replacement.ts";
import { checkOutside } from "../../src/verification/outside-check.ts";
import { isOneColour } from "../../src/verification/region-check.ts";

const page = drawSamplePage(["Ellen Marlow and Carl Stone", "pay the bill"]);

const replacement = (id: string, box: Box, text: string, fake: string): Replacement => ({
  fake,
  entity: {
    id,
    type: "person",
    page: 0,
    line: 0,
    words: [0, 1],
    span: [0, 1],
    text,
    box,
    score: 1,
    recognizer: "test",
    reason: "test",
  } satisfies Entity,
});
const ellen = replacement("p0-e0", [40, 40, 205, 70], "Ellen Marlow", "Petronella Weatherbyson");
const carl = replacement("p0-e1", [270, 40, 410, 70], "Carl Stone", "Hugo Brandt");

/** Fills what it may repaint with one level; the level grows with every call. */
function filling(name: PatchEngine["name"] = "classical", seen: Patch[] = []): PatchEngine {
  let level = 0;
  return {
    name,
    close: async () => {},
    generate: async (patches) => {
      level += 40;
      seen.push(...patches);
      return patches.map(({ id, image }) => ({
        id,
        image: { ...image, data: new Uint8Array(image.data.length).fill(level) },
      }));
    },
  };
}

const options = { retries: 2, solidFallback: true, seed: 1, documentHash: "ab" };
const check = { similarityToFake: 0, similarityToOriginal: 0, expectedSimilarity: 0 };

describe("a painting", () => {
  it("leaves nothing of a refused drawing, also where the next one covers less", async () => {
    const wide = drawSamplePage(["Ellen Marlow", "pay the bill"]);
    const painting = await Painting.create([wide], { ...options, engines: [filling()], solid: filling("solid") });
    painting.add([ellen]);
    await painting.draw();
    const [before] = painting.painted();
    painting.judge("p0-e0", check, "illegible");
    // A neighbour that is found later takes its side of the room the first drawing had.
    painting.add([replacement("p0-e1", [225, 40, 300, 70], "Carl", "Hugo")]);
    expect(painting.redraw("p0-e0")).toBe(true);
    expect([...(await painting.draw())].sort()).toEqual(["p0-e0", "p0-e1"]);
    const painted = painting.painted();
    expect(painted[0]!.box).not.toEqual(before!.box);
    const boxes = painted.map((region) => region.box);
    expect((await checkOutside(wide, painting.pages[0]!, boxes)).changed).toBe(0);
    expect(painting.originals[0]).toBe(wide);
  });

  it("on a page whose lines slope changes only turned boxes of it, and shows it level", async () => {
    const level = drawSamplePage(["Ellen Marlow", "pay the bill"]);
    // The sample drawn the other way round is the page that lies awry.
    const awry = await levelImage(level, levelFrame(level, -12));
    const frame = levelFrame(awry, 12);
    const [dx, dy] = [(frame.level.width - level.width) / 2, (frame.level.height - level.height) / 2];
    const moved = ({ entity, fake }: Replacement): Replacement => ({
      fake,
      entity: {
        ...entity,
        box: [entity.box[0] + dx, entity.box[1] + dy, entity.box[2] + dx, entity.box[3] + dy],
      },
    });
    const settings = { ...options, engines: [filling()], solid: createSolidEngine() };
    const painting = await Painting.create([awry], settings, [frame]);
    painting.add([moved(ellen)]);
    await painting.draw();
    const [first] = painting.painted();
    // A neighbour that is found later takes its side of the room the first drawing had.
    painting.add([moved(replacement("p0-e1", [225, 40, 300, 70], "Carl", "Hugo"))]);
    for (let rung = 0; rung < 3; rung++) {
      painting.judge("p0-e0", check, "illegible");
      painting.redraw("p0-e0");
    }
    await painting.draw();
    const boxes = painting.painted().map(({ box }) => box);
    expect(boxes[0]).not.toEqual(first!.box);
    const [finished, view] = [painting.finished[0]!, painting.pages[0]!];
    expect([finished.width, finished.height]).toEqual([awry.width, awry.height]);
    expect((await checkOutside(awry, finished, boxes, undefined, frame)).changed).toBe(0);
    expect(Buffer.compare(view.data, (await levelImage(finished, frame)).data)).toBe(0);
    // The solid box is one, and turned: black in all of the value's place, and nothing black beyond.
    expect(isOneColour(view, moved(ellen).entity.box)).toBe(true);
    let black = 0;
    for (let i = 0; i < finished.data.length; i += 3) if (finished.data[i] === 0 && awry.data[i]! > 200) black++;
    expect(black).toBeLessThan(boxArea(boxes[0]!));
    expect(black).toBeGreaterThan(0.5 * boxArea(boxes[0]!));
  });

  it("climbs from engine to engine with a seed of its own each time, down to the solid box, and no further", async () => {
    const seen: Patch[] = [];
    const engines = [filling("diffusion", seen), filling("classical", seen)];
    const solid = filling("solid", seen);
    const painting = await Painting.create([page], { ...options, retries: 1, engines, solid });
    painting.add([carl]);
    const names: string[] = [];
    do {
      await painting.draw();
      painting.judge("p0-e1", check, "illegible");
      names.push(painting.verdict("p0-e1")!.engine);
    } while (painting.redraw("p0-e1"));
    expect(names).toEqual(["diffusion", "diffusion", "classical", "classical", "solid"]);
    expect(new Set(seen.map((patch) => patch.seed)).size).toBe(5);
    expect(painting.painted()[0]!.fake).toBe(null);
    expect(painting.pendingCount).toBe(0);
  });

  it("judged twice keeps one record of a drawing", async () => {
    const painting = await Painting.create([page], { ...options, engines: [filling()], solid: filling("solid") });
    painting.add([carl]);
    await painting.draw();
    painting.judge("p0-e1", check, "illegible");
    painting.judge("p0-e1", check, "accepted");
    painting.refuse("p0-e1");
    expect(painting.regions[0]!.attempts.map((attempt) => attempt.verdict)).toEqual(["leak"]);
  });

  it("tries the patches of a failing batch one by one, so that one bad patch costs only its own region", async () => {
    const picky: PatchEngine = {
      name: "diffusion",
      close: async () => {},
      generate: async (patches) => {
        if (patches.some((patch) => patch.id === "p0-e1")) throw new Error("no");
        return patches.map(({ id, image }) => ({ id, image }));
      },
    };
    const painting = await Painting.create([page], {
      ...options,
      retries: 0,
      engines: [picky, filling()],
      solid: filling("solid"),
    });
    painting.add([ellen, carl]);
    await painting.draw();
    for (const id of ["p0-e0", "p0-e1"]) painting.judge(id, check, "accepted");
    const engines = painting.regions.map((region) => region.attempts.map((a) => `${a.engine} ${a.verdict}`));
    expect(engines).toEqual([["diffusion accepted"], ["diffusion failed", "classical accepted"]]);
  });

  it("with no engine left rejects with a code", async () => {
    const broken: PatchEngine = {
      name: "classical",
      close: async () => {},
      generate: async () => {
        throw new Error("Carl Stone can't be drawn");
      },
    };
    const painting = await Painting.create([page], {
      ...options,
      retries: 0,
      solidFallback: false,
      engines: [broken],
      solid: broken,
    });
    painting.add([carl]);
    const error: Error = await painting.draw().then(
      () => new Error("drawn"),
      (e: Error) => e,
    );
    expect(error).toMatchObject({ code: "ERR_NATIVE" });
    expect(error.message).not.toContain("Carl");
  });
});
