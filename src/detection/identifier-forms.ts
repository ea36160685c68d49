/**
 * Identifiers that are known without a label: by check digits in a form of their own, or by a form that nothing else
 * has. A bare run of digits is not among them, whatever its last digit: one in ten or eleven passes by chance.
 */
import { passesMrz } from "../identifiers/machine-readable.ts";
import { compactOf } from "../identifiers/scheme.ts";
import { checkVat, schemeNamed } from "../identifiers/schemes.ts";
import type { EntityType } from "./entity.ts";
import type { Judgement } from "./matches.ts";

export interface IdentifierForm {
  readonly type: EntityType;
  readonly pattern: RegExp;
  /** undefined when it is none. */
  judge(match: readonly string[]): Judgement | undefined;
}

const start = "(?<![A-Z\\d-])";
const end = "(?![A-Z\\d-])";

/** Matches that satisfy one of the schemes. */
function known(
  type: EntityType,
  names: readonly string[],
  pattern: string,
  score: number,
  reason: string,
): IdentifierForm {
  const schemes = names.map(schemeNamed);
  return {
    type,
    pattern: new RegExp(start + pattern + end, "g"),
    judge: ([match]) => {
      const scheme = schemes.find(({ valid }) => valid(compactOf(match!)));
      return scheme && { score, reason, evidence: { check: scheme.name } };
    },
  };
}

/** Numbers with a country's letters: the form alone is some evidence. */
export const vatForm: IdentifierForm = {
  type: "tax_id",
  pattern:
    /(?<![A-Z\d])(?:DE\s?\d{3}\s?\d{3}\s?\d{3}|GB\s?\d{3}\s?\d{4}\s?\d{2}|FR\s?\d{2}\s?\d{3}\s?\d{3}\s?\d{3}|IT\s?\d{11}|NL\s?\d{9}\s?[B8]\s?\d{2}|ES\s?[A-Z\d]-?\d{7}-?[A-Z\d]|AT\s?U\s?\d{8}|BE\s?[01]\d{3}[.\s]?\d{3}[.\s]?\d{3}|PL\s?\d{3}-?\d{3}-?\d{2}-?\d{2})(?![A-Z\d])/g,
  judge: ([match]) =>
    checkVat(compactOf(match!)) === "valid"
      ? { score: 0.95, reason: "check digits", evidence: { check: `${match!.slice(0, 2).toLowerCase()}-vat` } }
      : { score: 0.65, reason: "form" },
};

const judgeMrz: IdentifierForm["judge"] = ([match]) =>
  passesMrz(match!)
    ? { score: 0.99, reason: "check digits", evidence: { check: "icao-9303" } }
    : { score: 0.95, reason: "machine-readable line" };

export const identifierForms: readonly IdentifierForm[] = [
  known("tax_id", ["in-gstin"], "\\d{2}[A-Z]{5}\\d{4}[A-Z][1-9A-Z]Z[\\dA-Z]", 0.95, "check digits"),
  known("tax_id", ["in-pan"], "[A-Z]{5}\\d{4}[A-Z]", 0.7, "form"),
  known("tax_id", ["us-itin"], "9\\d{2}-\\d{2}-\\d{4}", 0.85, "form"),
  // Grouped as the tax office prints it, with the rule of repeated digits besides the check digit.
  known("tax_id", ["de-tax-id"], "\\d{2} \\d{3} \\d{3} \\d{3}", 0.8, "check digits"),
  known("id_number", ["us-ssn"], "\\d{3}-\\d{2}-\\d{4}", 0.85, "form"),
  known("id_number", ["my-kad"], "\\d{6}-\\d{2}-\\d{4}", 0.85, "form"),
  known("id_number", ["gb-nino"], "[A-Z]{2} ?\\d{2} ?\\d{2} ?\\d{2} ?[A-D]", 0.75, "form"),
  known("id_number", ["gb-driver"], "[A-Z]{2}[A-Z9]{3} ?\\d{6} ?[A-Z9]{2}[A-Z\\d]{3}(?: ?\\d{2})?", 0.85, "form"),
  known("id_number", ["sg-nric"], "[STFGM]\\d{7}[A-Z]", 0.8, "check letter"),
  known("id_number", ["es-dni", "es-nie"], "(?:[KLMXYZ]-?\\d{7}|\\d{8})-?[A-Z]", 0.75, "check letter"),
  known(
    "id_number",
    ["it-fiscal-code"],
    "[A-Z]{3} ?[A-Z]{3} ?[A-Z\\d]{5} ?[A-Z][A-Z\\d]{3}[A-Z]",
    0.95,
    "check letter",
  ),
  known(
    "id_number",
    ["fr-nir"],
    "[12]\\s?\\d{2}\\s?\\d{2}\\s?(?:\\d{2}|2[AB])\\s?\\d{3}\\s?\\d{3}[\\s-]?\\d{2}",
    0.9,
    "check digits",
  ),
  known("id_number", ["de-pension"], "\\d{2} ?\\d{6} ?[A-Z] ?\\d{3}", 0.85, "check digits"),
  known("id_number", ["de-health"], "[A-Z]\\d{9}", 0.6, "check digit"),
  known(
    "id_number",
    ["de-identity-card"],
    "[CFGHJKLMNPRTVWXYZ](?=[CFGHJKLMNPRTVWXYZ\\d]*[A-Z])[CFGHJKLMNPRTVWXYZ\\d]{8}\\d",
    0.7,
    "check digit",
  ),
  known("id_number", ["es-social-security"], "\\d{2}/\\d{8}/\\d{2}", 0.85, "check digits"),
  known("id_number", ["in-epic"], "[A-Z]{3}\\d{7}", 0.55, "check digit"),
  known("tax_id", ["sg-uen-company"], "(?:19|20)\\d{7}[A-Z]", 0.8, "check letter"),
  known("tax_id", ["sg-uen-other"], "[RST]\\d{2}[A-Z]{2}\\d{4}[A-Z\\d]", 0.85, "check letter"),
  known("tax_id", ["fr-siret"], "\\d{3} \\d{3} \\d{3} \\d{5}", 0.85, "check digits"),
  // Machine-readable lines of identity documents; OCR reads "<" as "«" or "‹" too.
  {
    type: "id_number",
    pattern: /(?<!\S)(?=\S*\d\S*\d)[A-Z\d<«‹]{6,}(?:[<«‹]{2,}[A-Z\d<«‹]*)+(?!\S)/g,
    judge: judgeMrz,
  },
  { type: "id_number", pattern: /(?<!\S)\d{6}\d[MFX<]\d{6}\d[A-Z<«‹]{3}[A-Z\d<«‹]{5,}(?!\S)/g, judge: judgeMrz },
  {
    type: "id_number",
    pattern: /(?<!\S)[A-Z\d<«‹]{9}\d[A-Z<«‹]{3}\d{7}[MFX<]\d{7}[A-Z\d<«‹]{7,15}\d(?!\S)/g,
    judge: judgeMrz,
  },
];
