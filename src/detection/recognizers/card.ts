import { isCardNumber } from "../../identifiers/card.ts";
import type { Recognizer } from "../entity.ts";
import { mendDigits } from "../fold.ts";
import { labelBefore } from "../labels.ts";
import { findMatches } from "../matches.ts";

/** In one piece or in the groups that cards have. */
const pattern =
  /(?<![\d*xX])(?:\d{13,19}|\d{4}(?:[ -]\d{4}){2}[ -]\d{1,4}(?:[ -]\d{1,3})?|\d{4}[ -]\d{6}[ -]\d{4,5})(?![\d-])/g;
/** In any groups, behind a label. */
const loosePattern = /(?<![\d*xX])(?:\d[ -]?){12,18}\d(?!\d)/g;
/** "XXXX XXXX XXXX 8381", "4910-12**-****-7501", "************7501". */
const masked = /(?<![\p{L}\d])(?:\d{4}[ -]?)?(?:\d{0,2}[*xX•#]{2,}(?![*xX•#])[ -]?)+[*xX•#\d]*\d{3,4}(?!\d)/gu;

/** Payment card numbers: issuer's first digits and check digit, or a label; masked ones with their last digits. */
export const cardRecognizer: Recognizer = {
  name: "card",
  types: ["card"],
  needs: ["layout", "labels"],
  find: (page) =>
    page.lines.flatMap(({ text }, line) => {
      const mended = mendDigits(text);
      return [
        ...findMatches("card", line, mended, pattern, ([number]) =>
          isCardNumber(number.replace(/\D/g, ""))
            ? { score: 0.95, reason: "check digit", evidence: { check: "luhn" } }
            : undefined,
        ),
        ...findMatches("card", line, mended, loosePattern, ({ index }) => {
          const label = labelBefore(page, line, index);
          return label?.kind === "card" ? { score: 0.85, reason: "label", evidence: { cue: label.word } } : undefined;
        }),
        ...findMatches("card", line, text, masked, ([number]) =>
          number.length >= 8 ? { score: 0.7, reason: "masked number" } : undefined,
        ),
      ];
    }),
};
