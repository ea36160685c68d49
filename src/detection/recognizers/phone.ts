import { parsePhoneNumberFromString } from "libphonenumber-js/min";
import type { Finding, Recognizer } from "../entity.ts";
import { hasLabelBefore, labels } from "../labels.ts";
import { headerZone } from "../zones.ts";

/** Digits with the signs that stand between them; O, l and I are what OCR makes of 0 and 1. */
const pattern = /(?:\+\s?|\(\s?\+?)?\d(?:[\dOolI]|[\s().\-–/](?=[\s().\-–/]*[\dOolI+])){5,}/gu;
const digits = (text: string): number => text.replace(/[OolI]/g, "0").replace(/\D/g, "").length;
const looksLikeDate = /^\(?\d{1,4}[./-]\d{1,2}[./-]\d{1,4}(?!\d|[./-]\d)/;

/**
 * Telephone numbers. Digits alone prove nothing, so a number needs a label before it, a leading "+" or "(", or to stand
 * alone in the sender's block at the top.
 */
export const phoneRecognizer: Recognizer = {
  name: "phone",
  types: ["phone"],
  find(page) {
    const findings: Finding[] = [];
    const header = headerZone(page).lines;
    const lastHeaderLine = header.at(-1) ?? -1;
    page.lines.forEach(({ text }, line) => {
      for (const match of text.matchAll(pattern)) {
        const value = match[0].replace(/[\s().\-–/]+$/u, "");
        const span = [match.index, match.index + value.length] as const;
        const count = digits(value);
        if (count < 6 || count > 30 || looksLikeDate.test(value)) continue;
        const add = (score: number, reason: string): void => {
          findings.push({ type: "phone", line, span, score, reason });
        };
        if (hasLabelBefore(page, line, match.index, labels.phone)) {
          const near = labels.phone.exec(text)?.index ?? 0;
          // The nearest label decides: "TEL 123 GST NO 456".
          const between = text.slice(near, match.index);
          if (!labels.taxId.test(between) && !labels.idNumber.test(between) && !labels.account.test(between))
            add(0.95, "label");
        } else if (/^[+]|^\(\s?\+/.test(value)) {
          if (parsePhoneNumberFromString(value.replace(/[()\s.\-–/]/g, ""))?.isPossible())
            add(0.9, "international form");
        } else if (/^\(\s?0\d/.test(value) && count >= 8 && count <= 12) add(0.7, "area code in brackets");
        else if (
          line <= lastHeaderLine + 2 &&
          /^0\d{1,3}[-\s]\d{3,4}[-\s]?\d{3,4}$/.test(value) &&
          value.length > 0.7 * text.trim().length
        ) {
          add(0.75, "alone in the header");
        }
      }
    });
    return findings;
  },
};
