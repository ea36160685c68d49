import type { Finding, Recognizer } from "../entity.ts";
import { labelled, labels } from "../labels.ts";
import type { OcrPage } from "../ocr.ts";
import { addressScore, companySuffix, headerZone, partyBlocks } from "../zones.ts";

/** A whole line as one finding, without marks at its ends. */
function wholeLine(page: OcrPage, line: number, type: Finding["type"], score: number, reason: string): Finding[] {
  const { text } = page.lines[line]!;
  const start = text.search(/[\p{L}\d(]/u);
  const end = text.replace(/[^\p{L}\d)]+$/u, "").length;
  return start < 0 || end <= start ? [] : [{ type, line, span: [start, end], score, reason }];
}

/** Companies: the name at the top of the page, names with a legal form, the first line under "Bill to". */
export const companyRecognizer: Recognizer = {
  name: "company",
  types: ["company"],
  find(page) {
    const findings: Finding[] = [];
    for (const line of headerZone(page).company)
      findings.push(...wholeLine(page, line, "company", 0.75, "header zone"));
    page.lines.forEach(({ text }, line) => {
      const match = companySuffix.exec(text);
      // The legal form stands at the end of a name of a few words, not in a sentence or a table row.
      if (!match || match.index < 3 || match.index > 60) return;
      const after = text.slice(match.index + match[0].length);
      const before = text
        .slice(0, match.index)
        .replace(/^.*?:\s*/u, "")
        .trim();
      if (
        /\p{L}{2,}/u.test(after.replace(/\(.*?\)/gu, "")) ||
        !/\p{L}{2,}/u.test(before) ||
        /\d+[.,]\d{2}\b/.test(text)
      )
        return;
      const start = text.indexOf(before);
      findings.push({
        type: "company",
        line,
        span: [start, match.index + match[0].trimEnd().length],
        score: 0.85,
        reason: "legal form",
      });
    });
    for (const { name } of partyBlocks(page)) {
      const isCompany = companySuffix.test(page.lines[name]!.text);
      findings.push(...wholeLine(page, name, isCompany ? "company" : "person", 0.7, "addressee"));
    }
    return findings;
  },
};

/** Addresses: the lines under the company at the top, lines with street and postcode, blocks under "Bill to". */
export const addressRecognizer: Recognizer = {
  name: "address",
  types: ["address"],
  find(page) {
    const findings: Finding[] = [];
    const certain = new Set<number>();
    const add = (line: number, score: number, reason: string): void => {
      if (certain.has(line)) return;
      certain.add(line);
      findings.push(...wholeLine(page, line, "address", score, reason));
    };
    for (const line of headerZone(page).address) add(line, 0.8, "header zone");
    for (const { address } of partyBlocks(page)) for (const line of address) add(line, 0.75, "addressee");
    for (const { line, span, text } of labelled(page, labels.address)) {
      if (!/\d/.test(text) && addressScore(text) < 0.4) continue;
      certain.add(line);
      findings.push({ type: "address", line, span, score: 0.75, reason: "label" });
    }
    page.lines.forEach(({ text }, line) => {
      const score = addressScore(text);
      if (score >= 0.45 && !/\d+[.,]\d{2}(?!\d)/.test(text))
        add(line, Math.min(0.9, 0.35 + score / 2), "street or postcode");
    });
    return findings;
  },
};
