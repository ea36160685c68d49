/** Names told by a word for "son of" or "daughter of" inside: "Siti binti Ahmad", "Ramesh a/l Krishnan". */
import { isCompanyLike } from "../company-words.ts";
import type { Finding } from "../entity.ts";
import { isLabelText } from "../label-dictionary.ts";
import type { Segment } from "../layout.ts";
import { isNameShaped } from "../text-shapes.ts";

const word = String.raw`\p{Lu}[\p{L}'’-]+`;
/** In words with small letters all of them; in capitals "BIN" is a bin too. */
const marked = new RegExp(
  `(?<![\\p{L}\\d])(${word}(?:\\s${word}){0,3})\\s(?:[Bb]inti?|BINTI|[Bb]te|BTE|[AaSsDd]/[LlPpOo]|BIN)\\s(${word}(?:\\s${word}){0,3})(?![\\p{L}\\d])`,
  "gu",
);
const bins = /(?:dust|rubbish|recycl\w*|trash|waste|litter|storage|garbage|bread|laundry|pedal|plastic)$/i;

/** Names in a segment of a line, ranges of its text's characters in those of the line. Pure. */
export function namesWithMarkers({ text, line, span }: Segment): Finding[] {
  return [...text.matchAll(marked)].flatMap((match) => {
    const [value, before, after] = match as unknown as [string, string, string];
    const parts = [before, after];
    if (bins.test(before) || parts.some((part) => !isNameShaped(part, true) || isLabelText(part))) return [];
    if (isCompanyLike(value)) return [];
    const from = span[0] + match.index;
    const score = /\s(?:bin|BIN|Bin)\s/.test(value) ? 0.65 : 0.75;
    return [{ type: "person", line, span: [from, from + value.length], score, reason: "son or daughter of" }];
  });
}
