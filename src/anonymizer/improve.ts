/** Makes the next round of drawing out of what a proof found wanting. */
import type { Entity } from "../detection/entity.ts";
import { spanBox, wordRange } from "../detection/lines.ts";
import type { OcrLine } from "../detection/ocr.ts";
import type { Box } from "../documents/geometry.ts";
import type { Pseudonymizer } from "../replacement/pseudonyms.ts";
import type { Replacement } from "../replacement/replacement.ts";
import { coveredShare } from "../verification/painted.ts";
import { foldText } from "../verification/reading-similarity.ts";
import { type Painting, touches } from "./painting.ts";
import type { Proof } from "./proof.ts";
import { type SameValue, toSameValues } from "./same-value.ts";

export interface ImproveOptions {
  readonly pseudonymizer: Pseudonymizer;
  /** Values that are covered with image regions. */
  readonly hidden: readonly Replacement[];
  /** The text of every input page. */
  readonly pageTexts: readonly string[];
  /** Whether regions may be added. */
  readonly mayAdd: boolean;
  readonly signal: AbortSignal;
}

/**
 * Refused regions go on to their next attempt. What only the second reading showed, outside all painted boxes and so on
 * the input too, becomes a region of its own: an original that still stands somewhere, or personal data that the first
 * reading missed. Returns how many regions are to be drawn now: 0 when nothing can be done any more.
 */
export async function improve(painting: Painting, proof: Proof, options: ImproveOptions): Promise<number> {
  for (const id of proof.refused) painting.redraw(id);
  if (options.mayAdd) {
    painting.add(await stillStanding(painting, proof, options));
    painting.add(await foundLate(painting, proof, options));
  }
  return painting.pendingCount;
}

/** Originals in untouched text. */
async function stillStanding(painting: Painting, proof: Proof, options: ImproveOptions): Promise<Replacement[]> {
  const known = [...painting.replacements, ...options.hidden];
  const fakes = new Map(known.map(({ entity, fake }) => [entity.id, fake]));
  const painted = painting.painted();
  const found: SameValue[] = [];
  for (const look of proof.looks) {
    const entities = [...known, ...found].map(({ entity }) => entity);
    // What another engine saw at the same place is one thing.
    const taken = [...painted, ...found.map(({ entity }) => entity)];
    found.push(
      ...toSameValues(look.leaks, entities, look.readings).filter(
        ({ entity }) => !taken.some((other) => other.page === entity.page && touches(other.box, entity.box)),
      ),
    );
  }
  const whole = found.filter((same) => same.whole);
  const parts = found.filter((same) => !same.whole).map((same) => same.entity);
  return [
    ...whole.map((same) => ({ entity: same.entity, fake: fakes.get(same.of.id)! })),
    ...(await inventFor(parts, painting, options)),
  ];
}

/** Weaker findings come and go with how the lines are cut; on the second reading they would mostly be wrong. */
const sureEnough = 0.7;

/** Findings on the result that are no invented values, as far as they stand outside the painted boxes. */
async function foundLate(painting: Painting, proof: Proof, options: ImproveOptions): Promise<Replacement[]> {
  const painted = painting.painted();
  const ids = new Set(painting.replacements.map(({ entity }) => entity.id));
  const entities: Entity[] = [];
  for (const found of proof.redetection.unknown) {
    if (found.score < sureEnough) continue;
    const line = proof.looks[0].readings[found.page]!.lines[found.line]!;
    const boxes = painted.filter((region) => region.page === found.page).map((region) => region.box);
    for (const span of uncoveredSpans(line, found.span, boxes)) {
      const box = spanBox(line, span);
      if (entities.some((other) => other.page === found.page && touches(other.box, box))) continue;
      let n = 0;
      while (ids.has(`p${found.page}-l${n}`)) n++;
      const id = `p${found.page}-l${n}`;
      ids.add(id);
      const text = line.text.slice(span[0], span[1]);
      const reason = `${found.reason}, second reading`;
      entities.push({ ...found, id, span, words: wordRange(line, span), text, box, reason });
    }
  }
  return inventFor(entities, painting, options);
}

/** The longest runs of characters within a range of a line that no box covers, and that are worth a region. */
function uncoveredSpans(line: OcrLine, within: readonly [number, number], boxes: readonly Box[]): [number, number][] {
  const runs: [number, number][] = [];
  let open = false;
  for (let at = within[0]; at < within[1]; at++) {
    if (line.text[at] === " ") continue;
    const box = spanBox(line, [at, at + 1]);
    const free = boxes.every((painted) => coveredShare(box, painted) < 0.5);
    if (free && open) runs.at(-1)![1] = at + 1;
    else if (free) runs.push([at, at + 1]);
    open = free;
  }
  return runs.filter(([from, to]) => {
    // Where characters stand within a word is a guess; the end of a painted word may seem to look out of its box.
    const whole = isEdge(line.text, from) && isEdge(line.text, to);
    return foldText(line.text.slice(from, to)).length >= (whole ? 3 : 5);
  });
}

const isEdge = (text: string, at: number): boolean =>
  at === 0 || at === text.length || text[at] === " " || text[at - 1] === " ";

/** Values that the document has already keep their invented ones; new values get new ones. */
async function inventFor(
  entities: readonly Entity[],
  painting: Painting,
  options: ImproveOptions,
): Promise<Replacement[]> {
  if (entities.length === 0) return [];
  const { pseudonymizer, pageTexts, signal } = options;
  const known = [...painting.replacements, ...options.hidden].map(({ entity }) => entity);
  const all = await pseudonymizer.replace([...known, ...entities], { pageTexts, signal });
  const ids = new Set(entities.map((entity) => entity.id));
  return all.filter(({ entity }) => ids.has(entity.id));
}
