/**
 * Further places where a value stands that detection found once: a name in a signature line, a shop's name in the
 * footer. What the leak search finds in untouched text becomes an entity of its own with the same invented value.
 */
import type { Entity } from "../detection/entity.ts";
import { spanBox, spansOverlap } from "../detection/lines.ts";
import type { OcrPage } from "../detection/ocr.ts";
import { type Occurrence, searchLeaks } from "../verification/leak-search.ts";
import type { PaintedRegion } from "../verification/painted.ts";
import { foldText } from "../verification/reading-similarity.ts";

export interface SameValue {
  readonly entity: Entity;
  /** The entity whose value stands here too. */
  readonly of: Entity;
  /** The whole value stands here; false for a part of one that is split over lines. */
  readonly whole: boolean;
  /** Which words of the value stand here, end exclusive, where it is a part of one line. */
  readonly words?: readonly [start: number, end: number];
}

/** Occurrences of the entities' values on the read pages outside the entities' own boxes. */
export async function findSameValues(
  entities: readonly Entity[],
  readings: readonly OcrPage[],
  minSimilarity: number,
  signal?: AbortSignal,
): Promise<SameValue[]> {
  const own: PaintedRegion[] = entities.map((e) => ({
    id: e.id,
    page: e.page,
    box: e.box,
    textBox: e.box,
    original: e.text,
    fake: null,
  }));
  const found = await searchLeaks(entities, readings, own, { minSimilarity, ...(signal && { signal }) });
  return toSameValues(found, entities, readings);
}

/** Makes entities of the occurrences in untouched text; those that touch a painted box are left out. */
export function toSameValues(
  occurrences: readonly Occurrence[],
  entities: readonly Entity[],
  readings: readonly OcrPage[],
): SameValue[] {
  const byId = new Map(entities.map((entity) => [entity.id, entity]));
  const taken = new Set(byId.keys());
  const result: SameValue[] = [];
  const untouched = occurrences.filter((o) => o.regions.length === 0).sort((a, b) => b.similarity - a.similarity);
  const used: { page: number; line: number; span: readonly [number, number] }[] = [];
  for (const occurrence of untouched) {
    const of = byId.get(occurrence.targetId)!;
    for (const part of occurrence.parts) {
      const line = readings[occurrence.page]!.lines[part.line]!;
      const text = line.text.slice(part.span[0], part.span[1]);
      const clash = used.some(
        (u) => u.page === occurrence.page && u.line === part.line && spansOverlap(u.span, part.span),
      );
      // A value over several lines that ends inside a word there ends before it: "DOMINO'S" above "PLEASE".
      const whole = occurrence.parts.length === 1 && occurrence.overPages !== true;
      const cut = !whole && !wholeWords(line.text, part.span);
      if (clash || cut || foldText(text).length < 2) continue;
      used.push({ page: occurrence.page, line: part.line, span: part.span });
      let n = 0;
      while (taken.has(`p${occurrence.page}-s${n}`)) n++;
      const id = `p${occurrence.page}-s${n}`;
      taken.add(id);
      result.push({
        of,
        whole,
        entity: {
          id,
          type: of.type,
          page: occurrence.page,
          line: part.line,
          words: part.words,
          span: part.span,
          // The value as detection read it, so that the same value gets the same invented one.
          text: whole ? of.text : text,
          box: spanBox(line, part.span),
          score: Math.round(of.score * occurrence.similarity * 1e4) / 1e4,
          recognizer: "same-value",
          reason: "same value elsewhere",
        },
      });
    }
  }
  return result;
}

const wholeWords = (text: string, [start, end]: readonly [number, number]): boolean =>
  !(isWord(text, start - 1) && isWord(text, start)) && !(isWord(text, end - 1) && isWord(text, end));

const isWord = (text: string, at: number): boolean => /[\p{L}\p{N}]/u.test(text[at] ?? "");
