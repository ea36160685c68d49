import { distance } from "fastest-levenshtein";
import { countrySpecs, electronicFormatIBAN, isValidIBAN } from "ibantools";
import type { Finding, Recognizer } from "../entity.ts";
import { labelBefore } from "../labels.ts";
import { findMatches } from "../matches.ts";
import { countDigits } from "../text-shapes.ts";

const pattern = /(?<![A-Za-z\d])[A-Z]{2}\s?[\dOoIl]{2}(?:[\s.-]?[A-Za-z\d]){11,30}/g;

/** In groups of four, as people write it; also where OCR has damaged the check digits. */
const grouped = /(?<![A-Za-z\d])[A-Z]{2}[\dA-Z]{2}(?:\s[\dA-Z]{4}){3,7}(?:\s[\dA-Z]{1,3}(?![A-Za-z\d]))?/g;

/** Mostly digits, and as long as the country's IBANs are. */
function fitsCountry(text: string): boolean {
  const plain = text.replace(/\s/g, "");
  const digits = countDigits(plain);
  const length = countrySpecs[plain.slice(0, 2)]?.chars;
  return (
    length !== undefined && length !== null && Math.abs(plain.length - length) <= 1 && digits >= 0.6 * plain.length
  );
}

/** What OCR leaves of one in groups of four: country or check digits are damaged, and letters stand among the digits. */
const damaged = /(?<![A-Za-z\d])(?=[A-Za-z]*\d)[A-Za-z\d]{3,5}(?:\s[\dA-Z]{4}){4,7}(?:\s[\dA-Z]{1,3})?(?![A-Za-z\d])/g;

/** Mostly digits, with a letter: columns of years and quantities are no account. */
function looksLikeAccount(text: string): boolean {
  const plain = text.replace(/\s/g, "");
  const digits = countDigits(plain);
  const years = text.match(/(?<!\S)(?:19|20)\d\d(?!\S)/g)?.length ?? 0;
  return plain.length <= 34 && digits < plain.length && digits >= 0.7 * plain.length && years < 3;
}

/**
 * Behind "IBAN" with a letter misread ("1BAN", "IHAN", "MBAN"). Its end has no small letters. A word can't be divided in more
 * than one way: of a long one all divisions would be tried.
 */
const behindWord =
  /(?<![\p{L}\d])([\p{L}\d|]{3,5})[\s:.]{1,3}([A-Z\d][A-Za-z\d]{2,}(?:\s[A-Z\d]{2,}){0,8})(?<=[A-Z\d]{4}|[A-Z\d]{2}\s[A-Z\d]{2,3}|(?:\s[A-Z\d]{2,}){2})(?![\p{L}\d])/gu;
const isNearlyIban = (word: string): boolean => distance(word.toUpperCase().replace(/[1|]/g, "I"), "IBAN") <= 1;

/** Letters that OCR puts for digits, in the part of an IBAN that must be digits in most countries. */
const mended = (text: string): string =>
  text.slice(0, 2) + text.slice(2).replace(/[OQD]/g, "0").replace(/[IL]/g, "1").replace(/S/g, "5").replace(/B/g, "8");

/**
 * IBANs with valid check digits, also where OCR put letters for digits; with a label those with a wrong digit too, and
 * what looks like one that was read worse.
 */
export const ibanRecognizer: Recognizer = {
  name: "iban",
  types: ["iban"],
  needs: ["layout", "labels"],
  find(page) {
    const findings: Finding[] = [];
    page.lines.forEach(({ text }, line) => {
      findings.push(
        ...findMatches("iban", line, text, grouped, ([number]) =>
          fitsCountry(number) ? { score: 0.75, reason: "form" } : undefined,
        ),
        ...findMatches("iban", line, text, damaged, ([number]) =>
          looksLikeAccount(number) ? { score: 0.6, reason: "groups of four" } : undefined,
        ),
      );
      for (const match of text.matchAll(behindWord)) {
        const [all, word, number] = match as unknown as [string, string, string];
        if (!isNearlyIban(word) || countDigits(number) < 12) continue;
        const end = match.index + all.length;
        findings.push({ type: "iban", line, span: [end - number.length, end], score: 0.7, reason: "misread label" });
      }
      for (const match of text.matchAll(pattern)) {
        const length = validLength(match[0]);
        if (length !== undefined) {
          findings.push({
            type: "iban",
            line,
            span: [match.index, match.index + length],
            score: 0.99,
            reason: "check digits",
            evidence: { check: "iso-13616" },
          });
        } else if (
          /iban/i.test(text.slice(0, match.index)) ||
          labelBefore(page, line, match.index)?.word.includes("iban")
        ) {
          const end = match.index + likelyLength(match[0]);
          findings.push({ type: "iban", line, span: [match.index, end], score: 0.8, reason: "label" });
        }
      }
    });
    return findings;
  },
};

/** The longest part from the start that is a valid IBAN; words may follow it on the line. */
function validLength(text: string): number | undefined {
  for (let length = text.length; length >= 15; length--) {
    const part = text.slice(0, length);
    if (/[\s.-]$/.test(part)) continue;
    const plain = (electronicFormatIBAN(part.replaceAll(".", "")) ?? "").toUpperCase();
    if (isValidIBAN(plain) || isValidIBAN(mended(plain))) return length;
  }
  return undefined;
}

/** Without check digits to go by: up to the first word that has no digit. */
function likelyLength(text: string): number {
  const words = [...text.matchAll(/\S+/g)];
  const end = words.findIndex((word, i) => i > 1 && !/[\dOoIl]/.test(word[0]));
  const last = end === -1 ? words.at(-1)! : words[end - 1]!;
  return last.index + last[0].length;
}
