/** Which part of a page something stands in. */
import { type Box, boxHeight, boxWidth, intersectBoxes, uniteBoxes } from "../documents/geometry.ts";
import type { Zone } from "./entity.ts";
import { inItemTable } from "./item-table.ts";
import { layoutOf } from "./layout.ts";
import type { OcrPage } from "./ocr.ts";
import { findParties } from "./zones.ts";

/** Shares of the page's height that count as its head and foot where nothing else is known. */
const headShare = 0.2;
const footShare = 0.88;

const made = new WeakMap<OcrPage, (line: number, span: readonly [number, number]) => Zone>();

/** Tells the zone of a range of characters; made once per page object. */
export function zoneFinder(page: OcrPage): (line: number, span: readonly [number, number]) => Zone {
  let finder = made.get(page);
  if (finder === undefined) {
    finder = makeFinder(page);
    made.set(page, finder);
  }
  return finder;
}

function makeFinder(page: OcrPage): (line: number, span: readonly [number, number]) => Zone {
  const { segments } = layoutOf(page);
  const inTable = inItemTable(page);
  const parties = findParties(page)
    .map(({ names, address, sender }) => ({ parts: [...names, ...address], sender }))
    .filter(({ parts }) => parts.length > 0)
    .map(({ parts, sender }) => ({
      parts: new Set(parts),
      around: uniteBoxes(parts.map(({ box }) => box)),
      zone: sender ? ("sender" as const) : ("addressee" as const),
    }));
  return (line, span) => {
    const segment = segments.find((s) => s.line === line && s.span[0] <= span[0] && span[0] < s.span[1]);
    if (segment === undefined) return byHeight(page.lines[line]!.box, page);
    for (const { parts, around, zone } of parties) if (parts.has(segment) || standsIn(segment.box, around)) return zone;
    return inTable(segment) ? "table" : byHeight(segment.box, page);
  };
}

/** In a block or on the line under it: telephone and registration numbers go with names and addresses. */
function standsIn(box: Box, block: Box): boolean {
  const [x0, y0, x1, y1] = intersectBoxes(box, [block[0], block[1], block[2], block[3] + 2.5 * boxHeight(box)]);
  return x1 - x0 > 0.3 * boxWidth(box) && y1 - y0 > 0.5 * boxHeight(box);
}

function byHeight(box: Box, page: OcrPage): Zone {
  const middle = (box[1] + box[3]) / 2 / page.height;
  return middle < headShare ? "header" : middle > footShare ? "footer" : "body";
}
