/** Names of persons told by their initials alone: "W. T. Miller", "Mary D. Miller". No label has to help. */
import { isCompanyLike } from "../company-words.ts";
import type { Finding } from "../entity.ts";
import { isLabelText } from "../label-dictionary.ts";
import type { Segment } from "../layout.ts";
import { spansOverlap } from "../lines.ts";
import { isNameShaped } from "../text-shapes.ts";

const initial = String.raw`\p{Lu}[.,]\s?`;
const surname = String.raw`(?:(?:Mc|Mac|O['’]|De|Van\s|Von\s|van\s|von\s|de\s)?\p{Lu}\p{Ll}{2,}(?:-\p{Lu}\p{Ll}{2,})?|\p{Lu}{4,})`;
const suffix = String.raw`(?:,?\s(?:[JS]r\.?|I{2,3}(?![\p{L}])))?`;

/** Two initials or three, then a surname; OCR reads a comma for a point. The first one may be written without a point. */
const several = new RegExp(
  `(?<![\\p{L}\\d.&])(?:${initial}|\\p{Lu}\\s)(?:${initial}){1,2}(${surname})${suffix}(?![\\p{L}\\d])`,
  "gu",
);
/** A first name, an initial, a surname. */
const middle = new RegExp(
  `(?<![\\p{L}\\d.])\\p{Lu}\\p{Ll}{2,}\\s\\p{Lu}\\.\\s?(${surname})${suffix}(?![\\p{L}\\d])`,
  "gu",
);
/** One initial: only where nothing else stands. */
const single = new RegExp(`^[\\s*:-]*(\\p{Lu}\\.\\s?(${surname})${suffix})[\\s.:,]*$`, "u");

/** What initials stand before and that is nobody's name: "P. O. Box", "U. S. Army", "N. Y. Office". */
const nobody =
  /^(?:p\.?\s?o|u\.?\s?[sk]|n\.?\s?[yj]|d\.?\s?c|l\.?\s?a|i\.?\s?d|a\.?\s?m|p\.?\s?m|e\.?\s?u|u\.?\s?s\.?\s?a)[.,]?\s?(?!.*\.)|(?:box|office|inc|corp|company|limited|ltd|bhd|gmbh|coli|total|copy)$/iu;

/** Names in a segment of a line, ranges of its text's characters in those of the line. Pure. */
export function namesWithInitials({ text, line, span }: Segment): Finding[] {
  const found: Finding[] = [];
  const add = (start: number, value: string, last: string, score: number): void => {
    if (nobody.test(value) || !isNameShaped(last, true) || isLabelText(last) || isCompanyLike(value)) return;
    const from = span[0] + start;
    const own = [from, from + value.length] as const;
    if (found.some((other) => spansOverlap(other.span, own))) return;
    found.push({ type: "person", line, span: own, score, reason: "initials" });
  };
  for (const match of text.matchAll(several)) add(match.index, match[0], match[1]!, 0.75);
  for (const match of text.matchAll(middle)) add(match.index, match[0], match[1]!, 0.75);
  const alone = single.exec(text);
  if (alone) add(text.indexOf(alone[1]!), alone[1]!, alone[2]!, 0.55);
  return found;
}
