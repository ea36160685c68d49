/** Running text as one string, so that names and addresses that are broken over two lines are seen whole. */
import type { Finding } from "./entity.ts";
import { labelledSegments } from "./labels.ts";
import { layoutOf, type Segment } from "./layout.ts";
import type { OcrPage } from "./ocr.ts";
import { isProse } from "./text-shapes.ts";

export interface Paragraph {
  /** The segments' texts joined by spaces. */
  readonly text: string;
  readonly parts: readonly { readonly segment: Segment; readonly start: number }[];
}

const paragraphs = new WeakMap<OcrPage, readonly Paragraph[]>();

/** Runs of lines of running text, each with the short line that ends it; made once per page object. */
export function paragraphsOf(page: OcrPage): readonly Paragraph[] {
  let found = paragraphs.get(page);
  if (found === undefined) {
    found = findParagraphs(page);
    paragraphs.set(page, found);
  }
  return found;
}

function findParagraphs(page: OcrPage): Paragraph[] {
  const labelled = labelledSegments(page);
  return layoutOf(page).blocks.flatMap((block) => {
    const runs: Segment[][] = [];
    let open = false;
    for (const segment of block) {
      const prose = isProse(segment.text);
      if (open && (prose || !labelled.has(segment))) runs.at(-1)!.push(segment);
      else if (prose) runs.push([segment]);
      open = prose;
    }
    return runs.map(joinLines);
  });
}

/** The text of the paragraph before a position of a line; undefined when the line is in none. */
export function textBefore(page: OcrPage, line: number, at: number): string | undefined {
  for (const { text, parts } of paragraphsOf(page)) {
    const part = parts.find(({ segment }) => segment.line === line && segment.span[0] <= at && at < segment.span[1]);
    if (part) return text.slice(0, part.start + at - part.segment.span[0]);
  }
  return undefined;
}

function joinLines(lines: readonly Segment[]): Paragraph {
  let text = "";
  const parts = lines.map((segment) => {
    const start = text === "" ? 0 : text.length + 1;
    text += (text === "" ? "" : " ") + segment.text;
    return { segment, start };
  });
  return { text, parts };
}

/** A range of a paragraph as findings, one for each line it touches. */
export function paragraphFindings(
  { text, parts }: Paragraph,
  range: readonly [start: number, end: number],
  finding: Omit<Finding, "line" | "span">,
): Finding[] {
  return parts.flatMap(({ segment, start }) => {
    const from = Math.max(range[0], start);
    const to = Math.min(range[1], start + segment.text.length);
    const value = text.slice(from, Math.max(from, to));
    if (!/[\p{L}\p{N}]/u.test(value)) return [];
    const lead = /^[^\p{L}\p{N}]*/u.exec(value)![0].length;
    const tail = /\s*$/.exec(value)![0].length;
    const at = segment.span[0] - start;
    return [{ ...finding, line: segment.line, span: [at + from + lead, at + to - tail] as const }];
  });
}
