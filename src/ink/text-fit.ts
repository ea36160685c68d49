/**
 * Finds how a known text was printed: typeface, size, stretch, spacing, place and tilt. The text is set in every typeface
 * and compared with the ink on the paper; the best ones are then adjusted until they lie on it as well as they can.
 */

import type { Pacer } from "../pacer.ts";
import { coversText, type FontFace, fontFaces } from "../rendering/fonts.ts";
import { type Candidate, solve, spacingRange, type TextFit, toFit } from "./fit-candidate.ts";
import { createJudge, type Judge } from "./fit-judge.ts";
import { estimateSlope, type InkEdges, inkEdges } from "./ink-edges.ts";
import { blurPlane, type Plane, shrinkPlane } from "./planes.ts";

/** The comparison is made at about this line height; more costs time and decides nothing. */
const comparedHeight = 20;
const refinedFaces = 3;
/** A typeface that correlates this much less than the best one can't be adjusted to be better. */
const hopeless = 0.15;

/**
 * Fits `text` to `ink` (0 = paper … 1 = full ink, only the ink of this text). Best fit first, one per typeface that was
 * adjusted; empty when there is no ink or none of `faces` has the letters.
 */
export async function fitText(
  ink: Plane,
  text: string,
  pacer: Pacer,
  faces: readonly FontFace[] = fontFaces,
): Promise<TextFit[]> {
  const line = text.trim();
  const slope = estimateSlope(ink);
  await pacer.pause();
  const found = inkEdges(ink, slope);
  if (!found || line === "") return [];
  const factor = Math.max(1, (found.bottom - found.top) / comparedHeight);
  const target = shrinkPlane(blurPlane(ink, 0.45 * factor), factor);
  const edges = scaleEdges(found, 1 / factor);
  const judge = createJudge(target, line, slope);
  await pacer.pause();

  const rated: { candidate: Candidate; score: number }[] = [];
  for (const face of faces) {
    if (!coversText(face, line)) continue;
    for (const plainZero of zeroForms(face, line)) {
      for (const spacing of startSpacings(face, line, edges)) {
        await pacer.pause();
        const candidate = { face, plainZero, edges, spacing };
        rated.push({ candidate, score: judge(candidate) });
      }
    }
  }
  rated.sort((a, b) => b.score - a.score);
  const chosen = rated
    .filter(({ candidate }, i) => rated.findIndex((r) => r.candidate.face === candidate.face) === i)
    .slice(0, refinedFaces)
    .filter(({ score }) => score > rated[0]!.score - hopeless);
  const fits: TextFit[] = [];
  for (const start of chosen) {
    const refined = await refine(start, judge, pacer);
    const fit = toFit(refined.candidate, line, slope, target);
    if (fit) fits.push({ ...scaleFit(fit, factor), score: refined.score });
  }
  return fits.sort((a, b) => b.score - a.score);
}

const scaleEdges = ({ left, right, top, bottom }: InkEdges, by: number): InkEdges => ({
  left: left * by,
  right: right * by,
  top: top * by,
  bottom: bottom * by,
});

const scaleFit = (fit: Omit<TextFit, "score">, by: number): Omit<TextFit, "score"> => ({
  ...fit,
  sizePx: fit.sizePx * by,
  letterSpacing: fit.letterSpacing * by,
  x: fit.x * by,
  baseline: fit.baseline * by,
});

/** Plain zeros as a rule; both forms are tried where the text can tell. */
function zeroForms(face: FontFace, text: string): boolean[] {
  if (!face.markedZero) return [false];
  return text.includes("0") ? [true, false] : [true];
}

/** No extra space; and, where the letters would have to be stretched much for that, as much as keeps their shape. */
function startSpacings(face: FontFace, text: string, edges: InkEdges): number[] {
  const shape = solve({ face, plainZero: false, edges, spacing: 0 }, text);
  const letters = [...text].length;
  if (!shape || letters < 2) return [0];
  const spare = (edges.right - edges.left) * (1 - 1 / shape.scaleX);
  const spacing = spare / (letters - 1) / shape.sizePx;
  return shape.scaleX > 1.2 ? [0, Math.min(spacing, spacingRange[1]), Math.min(spacing / 2, spacingRange[1])] : [0];
}

/** Moves one edge or the spacing at a time, in shrinking steps, as long as the correlation grows. */
async function refine(
  start: { candidate: Candidate; score: number },
  judge: Judge,
  pacer: Pacer,
): Promise<{ candidate: Candidate; score: number }> {
  let { candidate, score } = start;
  const height = candidate.edges.bottom - candidate.edges.top;
  const moves: ((c: Candidate, step: number) => Candidate)[] = [
    (c, step) => ({ ...c, edges: { ...c.edges, bottom: c.edges.bottom + step } }),
    (c, step) => ({ ...c, edges: { ...c.edges, top: c.edges.top + step } }),
    (c, step) => ({ ...c, edges: { ...c.edges, right: c.edges.right + step } }),
    (c, step) => ({ ...c, edges: { ...c.edges, left: c.edges.left + step } }),
    (c, step) => ({ ...c, spacing: c.spacing + (step / height) * 0.4 }),
  ];
  for (const part of [0.12, 0.06, 0.03, 0.015]) {
    const step = height * part;
    if (step < 0.15) break;
    for (const move of moves) {
      for (const direction of [1, -1]) {
        let improved = false;
        // A step in the right direction is repeated, three times at most.
        for (let i = 0; i < 3; i++) {
          await pacer.pause();
          const next = move(candidate, direction * step);
          const nextScore = judge(next);
          if (nextScore <= score + 1e-4) break;
          candidate = next;
          score = nextScore;
          improved = true;
        }
        if (improved) break;
      }
    }
  }
  return { candidate, score };
}
