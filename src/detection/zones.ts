/** Blocks of names with their addresses, told by layout: senders at the top, addressees, what stands under "Bill to". */
import { distance } from "fastest-levenshtein";
import { boxHeight, boxWidth } from "../documents/geometry.ts";
import { atOnce, inSlices, type Pacer } from "../pacer.ts";
import { addressScore, isRegion, strongAddress, weakAddress } from "./address-shapes.ts";
import { hasLegalForm, isCompanyLike } from "./company-words.ts";
import { findDates } from "./date-shapes.ts";
import { fold } from "./fold.ts";
import { inItemTable, isHeadCell } from "./item-table.ts";
import { type Label, labelledSegments, labelsOf } from "./labels.ts";
import { type Layout, layoutOf, type Segment } from "./layout.ts";
import type { OcrPage } from "./ocr.ts";
import { paragraphsOf, textBefore } from "./paragraphs.ts";
import { eachStep, type Steps } from "./steps.ts";
import { countDigits, isAmount, isNameShaped } from "./text-shapes.ts";

/** A name with an address under it, or one of the two alone. */
export interface Party {
  readonly names: readonly Segment[];
  readonly address: readonly Segment[];
  /** At the top of the page, as who sends the document stands. */
  readonly sender: boolean;
}

/** A line of more words is no name and no part of an address. */
const maxNameWords = 8;

type Role = "stop" | "skip" | "plain" | "weak" | "strong";

const contact = /@|(?<![\p{L}])www\.|https?:|(?<![\p{L}])(?:tel|fax|fon|phone)(?![\p{L}])/u;
const registrationLine = /^\W*(?:\(?\s*[a-z]{0,3}\d{5,12}\s?-\s?[a-z]\s*\)?|\(?\d{12}\s*\(.*\))\W*$/u;
const time = /(?<!\d)\d{1,2}:\d{2}(?!\d)/;

const titleWords = [
  "invoice",
  "receipt",
  "rechnung",
  "quittung",
  "facture",
  "factura",
  "fattura",
  "ricevuta",
  "factuur",
  "invois",
  "kassenbon",
  "statement",
];

/** Kinds of documents that stand in names of companies too. */
const documentWords = new Set(
  `record report contract agreement certificate application confirmation reminder questionnaire declaration vertrag antrag
  bescheinigung formular fragebogen mahnung zeugnis contrat attestation formulaire demande certificat contrato solicitud
  certificado formulario contratto modulo certificato domanda dichiarazione overeenkomst formulier aanvraag verklaring
  borang perjanjian sijil`.split(/\s+/),
);

/** "TAX INVOICE" and the like, also with a letter or two misread. */
function isTitle({ folded, text }: Segment): boolean {
  const words = folded.match(/\p{L}{5,}/gu) ?? [];
  if (text.split(/\s+/).length > 4 || hasLegalForm(text)) return false;
  if (words.some((word) => titleWords.some((title) => distance(word, title) <= (title.length > 6 ? 2 : 1))))
    return true;
  return words.some((word) => documentWords.has(word)) && !isCompanyLike(text);
}

/** What a line is to an address block. */
function roleOf(
  segment: Segment,
  page: OcrPage,
  labels: ReadonlyMap<Segment, Label>,
  inTable: (segment: Segment) => boolean,
): Role {
  const { text, folded } = segment;
  const label = labels.get(segment);
  const score = addressScore(text);
  if (inTable(segment) || isAmount(text) || textBefore(page, segment.line, segment.span[0]) !== undefined)
    return "stop";
  if (registrationLine.test(folded)) return "skip";
  if (contact.test(folded) || (score < strongAddress && (time.test(text) || findDates(text).length > 0))) return "stop";
  if (label) {
    if (label.kind === "tax_id" || label.kind === "id_number") return score >= strongAddress ? "strong" : "skip";
    if (label.kind === "address" && (!label.marked || label.rest) && score >= weakAddress)
      return score >= strongAddress ? "strong" : "weak";
    // "BANK ISLAM", "POS CAFE": the word is part of a name where other words follow without a mark.
    const partOfName = !label.marked && label.rest !== undefined && label.span[0] === 0;
    if (!(partOfName && (score >= strongAddress || isCompanyLike(text)))) return "stop";
  }
  if (score >= strongAddress) return "strong";
  if (isTitle(segment) || isHeadCell(segment)) return "stop";
  // A sentence in capitals.
  if ((folded.match(/\p{L}{2,}/gu)?.length ?? 0) > maxNameWords) return "stop";
  if (score >= weakAddress) return "weak";
  const letters = folded.match(/\p{L}/gu)?.length ?? 0;
  const digits = countDigits(folded);
  return letters < 3 || letters < digits ? "skip" : "plain";
}

const partiesOf = new WeakMap<OcrPage, readonly Party[]>();

/** All blocks of names and addresses on a page; made once per page object. */
export function findParties(page: OcrPage): readonly Party[] {
  let parties = partiesOf.get(page);
  if (parties === undefined) {
    parties = atOnce(makeParties(page));
    partiesOf.set(page, parties);
  }
  return parties;
}

/** Finds them beforehand, with pauses. */
export async function prepareParties(page: OcrPage, pacer: Pacer): Promise<void> {
  if (!partiesOf.has(page)) partiesOf.set(page, await inSlices(makeParties(page), pacer));
}

function* makeParties(page: OcrPage): Steps<Party[]> {
  const layout = layoutOf(page);
  const labels = labelledSegments(page);
  const inTable = inItemTable(page);
  yield;
  paragraphsOf(page);
  yield;
  const roles = new Map(
    yield* eachStep(layout.segments, (segment) => [segment, roleOf(segment, page, labels, inTable)] as const),
  );
  const used = new Set<Segment>();
  const parties: Party[] = [];
  for (const chain of columnChains(layout)) {
    yield;
    for (const run of addressRuns(chain, roles)) {
      const address = run.filter((segment) => roles.get(segment) !== "skip" && !used.has(segment));
      if (address.length === 0) continue;
      const street = streetAbove(address[0]!, layout, roles);
      if (street && !used.has(street)) address.unshift(street);
      address.push(...besideAddress(address, layout, roles, used));
      for (const segment of address) used.add(segment);
      const sender =
        run[0]!.box[1] < 0.35 * page.height &&
        parties.every((party) => !party.sender || party.address[0]!.box[1] >= run[0]!.box[1]);
      const above = namesAbove(address[0]!, layout, roles, used, sender);
      const names = above.length > 0 || !sender ? above : namesBeside(address[0]!, layout, roles, used);
      for (const segment of names) used.add(segment);
      parties.push({ names, address, sender });
    }
  }
  return [...parties, ...labelledParties(page, layout, roles, used)];
}

/** Segments that follow each other downwards in a column, with gaps of up to two lines. */
function columnChains(layout: Layout): Segment[][] {
  const taken = new Set<Segment>();
  const chains: Segment[][] = [];
  const byTop = [...layout.segments].sort((a, b) => a.box[1] - b.box[1]);
  for (const start of byTop) {
    if (taken.has(start)) continue;
    const chain: Segment[] = [];
    for (let at: Segment | undefined = start; at && !taken.has(at); at = layout.below(at)) {
      chain.push(at);
      taken.add(at);
    }
    chains.push(chain);
  }
  return chains;
}

/** Runs of lines that are an address: one strong line, or two weak ones that follow each other, and what stands between them. */
function addressRuns(chain: readonly Segment[], roles: ReadonlyMap<Segment, Role>): Segment[][] {
  const runs: Segment[][] = [];
  let run: Segment[] = [];
  let pending: Segment[] = [];
  const close = (): void => {
    const strong = run.some((segment) => roles.get(segment) === "strong");
    const weak = run.filter((segment) => roles.get(segment) === "weak");
    if (strong || (weak.length > 1 && weak.reduce((sum, segment) => sum + addressScore(segment.text), 0) > 0.6)) {
      // The town, state or country under the street has no sign of its own.
      const tail = pending.filter((segment) => roles.get(segment) === "plain").slice(0, 2);
      runs.push([...run, ...(tail.every((segment, k) => goesOn(tail[k - 1] ?? run.at(-1)!, segment)) ? tail : [])]);
    }
    run = [];
    pending = [];
  };
  for (const segment of chain) {
    const role = roles.get(segment)!;
    const gap = (pending.at(-1) ?? run.at(-1)) ? segment.box[1] - (pending.at(-1) ?? run.at(-1))!.box[3] : 0;
    if (run.length > 0 && gap > 1.4 * boxHeight(segment.box)) close();
    if (role === "stop") close();
    else if (role === "weak" || role === "strong") {
      run.push(...pending, segment);
      pending = [];
    } else if (run.length > 0) {
      if (role === "plain" && hasLegalForm(segment.text)) close();
      else if (pending.length < 2) pending.push(segment);
      else close();
    }
  }
  close();
  return runs;
}

/** Whether a line without a sign of its own belongs to the address above it: set alike, close, and short. */
function goesOn(last: Segment, { box, text }: Segment): boolean {
  const [low, high] = [boxHeight(last.box), boxHeight(box)].sort((a, b) => a - b) as [number, number];
  if (isRegion(text)) return box[1] - last.box[3] <= high;
  if (high > 1.5 * low || box[1] - last.box[3] > high) return false;
  return text.split(/\s+/).length <= 6 && !hasLegalForm(text);
}

/** "Biesenbach 37" above "02305 Köln": a name with a number is a street where a town follows. */
function streetAbove(first: Segment, layout: Layout, roles: ReadonlyMap<Segment, Role>): Segment | undefined {
  const above = aboveWithin(first, layout, 1.2);
  if (above === undefined || roles.get(above) !== "plain") return undefined;
  return addressScore(above.text) > 0.1 && /\d/.test(above.text) && !hasLegalForm(above.text) ? above : undefined;
}

/** "53300 KL      Site 1066": what looks like an address in the row of one. */
function besideAddress(
  address: readonly Segment[],
  layout: Layout,
  roles: ReadonlyMap<Segment, Role>,
  used: ReadonlySet<Segment>,
): Segment[] {
  const near = address.flatMap((segment) => [layout.left(segment), layout.right(segment)]);
  return [...new Set(near)].filter((segment): segment is Segment => {
    if (segment === undefined || used.has(segment) || address.includes(segment)) return false;
    return roles.get(segment) === "weak";
  });
}

/** Lines above an address that say whose it is. */
function namesAbove(
  first: Segment,
  layout: Layout,
  roles: ReadonlyMap<Segment, Role>,
  used: ReadonlySet<Segment>,
  sender: boolean,
): Segment[] {
  const names: Segment[] = [];
  let at = first;
  // The sender's name is often large and stands apart.
  const reach = sender ? 4 : 1.4;
  while (names.length < (sender ? 4 : 3)) {
    const above = aboveWithin(at, layout, reach);
    if (above === undefined || used.has(above)) break;
    const role = roles.get(above);
    at = above;
    if (role === "skip") continue;
    if (role === "stop") {
      // A title between the name and the address, as on receipts.
      if (sender && above.box[1] < 0.2 * layout.page.height && names.length === 0) continue;
      break;
    }
    if (!sender && isFieldValue(above, layout, roles)) break;
    names.unshift(above);
  }
  return names;
}

/** The value of a form's field: a label stands right above it. */
function isFieldValue(segment: Segment, layout: Layout, roles: ReadonlyMap<Segment, Role>): boolean {
  const above = layout.above(segment);
  if (above === undefined || roles.get(above) !== "stop") return false;
  const label = labelledSegments(layout.page).get(above);
  return label?.kind === "other" && label.rest === undefined && segment.box[1] - above.box[3] < boxHeight(segment.box);
}

/** The sender's name in another column: what looks like an organisation, or what is set large at the very top. */
function namesBeside(
  first: Segment,
  layout: Layout,
  roles: ReadonlyMap<Segment, Role>,
  used: ReadonlySet<Segment>,
): Segment[] {
  const heights = layout.segments.map(({ box }) => boxHeight(box)).sort((a, b) => a - b);
  const typical = heights[heights.length >> 1] ?? 0;
  const candidates = layout.segments.filter(
    (segment) => roles.get(segment) === "plain" && !used.has(segment) && segment.box[1] <= first.box[3] + 2 * typical,
  );
  const named = candidates.filter(({ text }) => isCompanyLike(text));
  if (named.length > 0) return named.slice(0, 2);
  return candidates.filter(({ box }) => boxHeight(box) > 1.4 * typical && box[3] <= first.box[3]).slice(0, 1);
}

function aboveWithin(segment: Segment, layout: Layout, lines: number): Segment | undefined {
  const near = layout.above(segment);
  if (near)
    return segment.box[1] - near.box[3] <= lines * Math.max(boxHeight(segment.box), boxHeight(near.box))
      ? near
      : undefined;
  let best: Segment | undefined;
  for (const other of layout.segments) {
    const gap = segment.box[1] - other.box[3];
    if (gap < 0 || gap > lines * Math.max(boxHeight(segment.box), boxHeight(other.box))) continue;
    const shared = Math.min(segment.box[2], other.box[2]) - Math.max(segment.box[0], other.box[0]);
    if (shared < 0.4 * Math.min(boxWidth(segment.box), boxWidth(other.box))) continue;
    if (best === undefined || other.box[3] > best.box[3]) best = other;
  }
  return best;
}

/** What stands under "Bill to" and the like: first whose it is, then the address, whatever it looks like. */
function labelledParties(
  page: OcrPage,
  layout: Layout,
  roles: ReadonlyMap<Segment, Role>,
  used: Set<Segment>,
): Party[] {
  const parties: Party[] = [];
  for (const label of labelsOf(page)) {
    if (label.kind !== "party" || label.rest || !label.marked) continue;
    const column: Segment[] = [];
    let at = layout.below(label.segment);
    while (at && column.length < 6 && roles.get(at) !== "stop") {
      if (column.length > 0 && at.box[1] - column.at(-1)!.box[3] > 1.4 * boxHeight(at.box)) break;
      column.push(at);
      at = layout.below(at);
    }
    const free = column.filter((segment) => !used.has(segment) && roles.get(segment) !== "skip");
    const [name, ...address] = free;
    if (name === undefined) continue;
    const likely =
      isNameShaped(name.text) || column.some(({ text }) => isCompanyLike(text) || addressScore(text) >= weakAddress);
    if (!likely) continue;
    for (const segment of free) used.add(segment);
    const named = column[0] === name;
    parties.push({ names: named ? [name] : [], address: named ? address : free, sender: false });
  }
  return parties;
}

/** Whether text under or beside a party's label starts with a form of address ("Attn", "c/o"). */
export const isCareOf = (text: string): boolean => /^\W*(?:c\/o|attn|att|z\.?\s?hd|p\/a|t\.?a\.?v)/u.test(fold(text));
