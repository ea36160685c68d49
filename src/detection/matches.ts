import type { EntityType, Evidence, Finding } from "./entity.ts";

/** How sure a recognizer is, and why. */
export interface Judgement {
  readonly score: number;
  readonly reason: string;
  readonly evidence?: Evidence;
}

/**
 * A finding for every match of a global pattern in the text of a line (or in one as long as it, with characters mended),
 * as `judge` sees it; undefined from there leaves a match out.
 */
export const findMatches = (
  type: EntityType,
  line: number,
  text: string,
  pattern: RegExp,
  judge: Judgement | ((match: RegExpExecArray) => Judgement | undefined),
): Finding[] =>
  [...text.matchAll(pattern)].flatMap((match) => {
    const judged = typeof judge === "function" ? judge(match) : judge;
    return judged ? [{ type, line, span: [match.index, match.index + match[0].length] as const, ...judged }] : [];
  });
