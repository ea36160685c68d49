import { findLegalForms, isCompanyLike } from "../company-words.ts";
import type { Finding, Recognizer } from "../entity.ts";
import { fold } from "../fold.ts";
import { inItemTable } from "../item-table.ts";
import { type Located, labelsOf, valueCandidates, wholeSegment } from "../labels.ts";
import { layoutOf } from "../layout.ts";
import type { OcrPage } from "../ocr.ts";
import { paragraphFindings, paragraphsOf } from "../paragraphs.ts";
import { isAmount, isCaption, isProse } from "../text-shapes.ts";
import { findParties } from "../zones.ts";
import { partyNames } from "./party-names.ts";
import { splitParts } from "./party-parts.ts";

/** Words inside names that start with a small letter, and signs. */
const inName =
  /^(?:&|\+|-|@|and|und|et|y|e|en|of|the|de|del|della|des|di|da|du|der|den|van|von|la|le|el|il|lo|'t|für|for)$/;

/** Before a name, and no part of it. */
const leadIn =
  /^(?:company|companies|customer|client|supplier|vendor|employer|firma|firm|societe|empresa|ditta|azienda|bedrijf|kunde|klant|cliente|to|from|for|by|by:|at)$/;

/** Companies: whose address stands below, names with a legal form, and values of labels ("Employer"). */
export const companyRecognizer: Recognizer = {
  name: "company",
  types: ["company"],
  needs: ["layout", "labels", "parties"],
  find(page) {
    const findings: Finding[] = [];
    for (const { value, type, score } of partyNames(page))
      if (type === "company") findings.push(asCompany(value, score, "name above an address"));
    for (const { address } of findParties(page)) {
      for (const segment of address) {
        for (const { value, role } of splitParts(page, segment))
          if (role === "company") findings.push(asCompany(value, 0.8, "legal form"));
      }
    }
    const inTable = inItemTable(page);
    for (const segment of layoutOf(page).segments) {
      if (inTable(segment)) continue;
      for (const { start, end } of namesWithLegalForm(segment.text)) {
        const from = segment.span[0];
        findings.push({
          type: "company",
          line: segment.line,
          span: [from + start, from + end],
          score: 0.85,
          reason: "legal form",
        });
      }
    }
    for (const segment of layoutOf(page).segments) {
      const value = isOrganisation(segment.text) && !inTable(segment) ? wholeSegment(segment) : undefined;
      if (value) findings.push(asCompany(value, 0.6, "kind of organisation"));
    }
    for (const paragraph of paragraphsOf(page)) {
      for (const { start, end } of namesWithLegalForm(paragraph.text)) {
        findings.push(
          ...paragraphFindings(paragraph, [start, end], { type: "company", score: 0.86, reason: "legal form" }),
        );
      }
    }
    findings.push(...labelledCompanies(page));
    return findings;
  },
};

const asCompany = ({ line, span }: Located, score: number, reason: string): Finding => ({
  type: "company",
  line,
  span,
  score,
  reason,
});

/** "Harvard Medical School", on a line of its own: three words or more with capitals, the last one a kind of organisation. */
const organisation =
  /^\W*(?:\p{Lu}[\p{L}.'’&-]*\s+(?:&\s+|of\s+)?){1,5}(?:(?:\p{Lu}[\p{L}.'’&-]*\s+)(?:company|university|college|school|hospital|laborator(?:y|ies)|institute|associates|foundation)|(?:research|medical|health)\s+cent(?:er|re))\W*$/iu;
const isOrganisation = (text: string): boolean => /^\W*\p{Lu}/u.test(text) && !isProse(text) && organisation.test(text);

/** Ranges of names from their first word to the legal form. */
export function namesWithLegalForm(text: string): { start: number; end: number }[] {
  const names: { start: number; end: number }[] = [];
  let last = 0;
  for (const form of findLegalForms(text)) {
    const before = text.slice(last, form.start);
    // What a colon or separator parts off is a label or something else.
    const cut = Math.max(
      ...[...before.matchAll(/[:;|·•="“„\t]|\s[–—]\s|\((?![^)]*\))/g)].map((match) => match.index + match[0].length),
      0,
    );
    const words = [...before.slice(cut).matchAll(/\S+/g)];
    let first = words.length;
    for (let i = words.length - 1; i >= 0 && words.length - i <= 9; i--) {
      const word = words[i]![0];
      const bare = word.replace(/[,;]$/, "");
      // A sentence ends before the name.
      if (/\p{Ll}{2,}[.!?]$/u.test(word) && i < words.length - 1) break;
      // "1973 91,630": figures are no part of a name, unless it begins with one.
      if (!/\p{L}/u.test(bare) && !inName.test(bare) && i > 0) break;
      if (/^["'(]?[\p{Lu}\d]/u.test(bare)) first = i;
      else if (!inName.test(bare.toLowerCase())) break;
      else if (i === 0 || /^(?:van|von|de|di|da|del|der|la|le|el|il|'t)$/.test(bare)) first = i;
    }
    // "Le roux-Noel SAS": a line of nothing but a name.
    const ends = !/[\p{L}\d]/u.test(text.slice(form.end));
    if (ends && cut === 0 && last === 0 && words.length <= 5 && /^\p{Lu}/u.test(text) && first < words.length)
      first = 0;
    while (first < words.length - 1 && leadIn.test(fold(words[first]![0]))) first++;
    if (first < words.length) {
      const start = last + cut + words[first]!.index;
      names.push({ start, end: form.end });
    }
    last = form.end;
  }
  return names.filter(({ start, end }) => /\p{L}{2,}/u.test(text.slice(start, end)));
}

function labelledCompanies(page: OcrPage): Finding[] {
  return labelsOf(page).flatMap((label) => {
    if (label.kind !== "company" && label.kind !== "party") return [];
    for (const candidate of valueCandidates(page, label)) {
      if (label.kind === "party" && (candidate.place === "below" || !isCompanyLike(candidate.text))) continue;
      const { text } = candidate;
      if (
        isAmount(text) ||
        isProse(text) ||
        isCaption(text) ||
        text.length > 60 ||
        /[$%?]/.test(text) ||
        !/^[^\p{L}]*\p{Lu}[\p{L}\d]*[^\d]*\p{L}/u.test(text)
      )
        continue;
      if (!label.marked && !isCompanyLike(text)) continue;
      const found = asCompany(candidate, isCompanyLike(text) ? 0.8 : 0.65, "label");
      return [{ ...found, evidence: { cue: label.word } }];
    }
    return [];
  });
}
