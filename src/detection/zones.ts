/** Where on a page company and address stand, told by layout and not by words alone. */
import { boxHeight } from "../documents/geometry.ts";
import { below, headerEnd, labels, registration } from "./labels.ts";
import type { OcrPage } from "./ocr.ts";

const maxHeaderLines = 14;

const letters = (text: string): number => text.match(/\p{L}/gu)?.length ?? 0;

/** Lines of a title ("TAX INVOICE") and others that belong to nobody. */
const title =
  /^\W*(?:(?:simplified\s+)?(?:tax\s+)?(?:invoice|receipt|rechnung|facture|factura|fattura|factuur|quittung|kassenbon)|cash\s*(?:bill|sales?)|credit\s*note|copy|original|duplicate|thank\s*you.*|welcome.*)\W*$/iu;

/** Company endings that stand for themselves. */
export const companySuffix =
  /(?<![\p{L}\d])(?:sdn\.?\s*bhd|s\s?d\s?n\.?\s*b\s?h\s?d|bhd|pte\.?\s*ltd|ltd|limited|llc|l\.l\.c|inc|incorporated|corp(?:oration)?|company|co\.,?\s*ltd|plc|gmbh(?:\s*&\s*co\.?\s*kg)?|mbh|ohg|kg|e\.\s?k|ag|s\.?a\.?r\.?l|s\.?a\.?s|sarl|sas|s\.?p\.?a|s\.?r\.?l|s\.l|s\.?l\.?u|b\.?v|n\.v|vof|enterprise|enterprises|trading|holdings?|industries|hardware|restaurant|restoran|supermarket|mart)(?:\.|(?![\p{L}]))/iu;

const streetWord =
  /(?<![\p{L}\d])(?:jalan|jln|jl|lorong|lrg|taman|tmn|bandar|kampung|kg\.|persiaran|lebuh(?:raya)?|plaza|bangunan|kawasan|seksyen|wisma|menara|street|str?|road|rd|avenue|ave|lane|drive|boulevard|blvd|court|highway|hwy|crescent|p\.?\s*o\.?\s*box|rue|allée|chemin|place|impasse|quai|calle|plaza|paseo|avda|via|viale|piazza|corso|straat|laan|weg|plein|gracht|kade|platz|allee|gasse|damm|ufer)(?:\.|(?![\p{L}]))|\p{L}{3,}(?:stra(?:ß|ss)e|str\.|weg|platz|gasse|allee|straat|laan|plein|gracht)(?![\p{L}])/iu;

/** Words that belong to an address only beside another sign of one. */
const weakWord =
  /(?<![\p{L}])(?:lot|unit|block|blk|level|floor|suite|section|square|no)(?![\p{L}])\s*[.:]?\s*[\p{L}]?-?\d/iu;

const numberFirst = /^\W*(?:no\s*[.:]?\s*|lot\s*|#)?\d+[a-z]?(?:\s*[-,&/]\s*\d*[a-z]?)*\s*[,.]?\s+\p{L}{3,}/iu;
const numberLast = /\p{L}{3,}\.?\s+\d{1,4}\s?[a-z]?\W*$/iu;
/** Postcode with a town: 41050 KLANG, D-10115 Berlin, 1012 AB Amsterdam, SW1A 1AA, Springfield, IL 62704. */
const postcode =
  /(?<!\d)\d{5}(?:-\d{4})?\s+\p{L}{3,}|(?<![\p{L}\d])[a-z]-\d{4,5}\s+\p{L}{3,}|(?<!\d)\d{4}\s?[a-z]{2}\s+\p{L}{3,}|(?<![\p{L}\d])[a-z]{1,2}\d[a-z\d]?\s*\d[a-z]{2}(?![\p{L}\d])|\p{L}{3,},?\s+[A-Z]{2}\s+\d{5}(?!\d)|(?<!\d)\d{4}\s+\p{Lu}\p{L}{3,}$/iu;

/** How much a line looks like part of an address, 0…1, by its own words. */
export function addressScore(text: string): number {
  if (letters(text) < 3) return 0;
  let score = 0;
  if (streetWord.test(text)) score += 0.45;
  if (postcode.test(text)) score += 0.5;
  if (weakWord.test(text)) score += 0.25;
  if (numberFirst.test(text)) score += 0.2;
  else if (numberLast.test(text) && streetWord.test(text)) score += 0.25;
  if (/,\s*$/.test(text)) score += 0.1;
  return Math.min(1, score);
}

export interface HeaderZone {
  /** Line indices that name the company. */
  readonly company: readonly number[];
  readonly address: readonly number[];
  /** All lines of the zone. */
  readonly lines: readonly number[];
}

/**
 * The block at the top of a receipt or invoice: who sends it, then where they are. It ends at the first line about a
 * telephone, the invoice or a date. Empty when the top of the page has nothing that looks like a sender.
 */
export function headerZone(page: OcrPage): HeaderZone {
  const company: number[] = [];
  const address: number[] = [];
  const lines: number[] = [];
  let sender = false;
  let closed = false;
  for (let i = 0; i < Math.min(page.lines.length, maxHeaderLines); i++) {
    const line = page.lines[i]!;
    const { text } = line;
    if (letters(text) < 3 && !postcode.test(text)) continue;
    // A registration number alone on its line is nobody's name.
    if (!/\p{L}{3,}/u.test(text) && company.length + address.length === 0) continue;
    if (title.test(text)) {
      if (company.length + address.length > 1) {
        closed = true;
        break;
      }
      continue;
    }
    if (registration.test(text) && addressScore(text) < 0.4) {
      sender = true;
      continue;
    }
    const likeAddress = addressScore(text);
    if (headerEnd.test(text) && likeAddress < 0.4 && !companySuffix.test(text)) {
      closed = true;
      if (labels.phone.test(text)) sender = true;
      if (company.length === 0 && address.length === 0) continue;
      break;
    }
    const previous = page.lines[lines.at(-1) ?? i]!;
    // A wide gap ends the block, unless it is the one under a large name.
    if (address.length > 0 && line.box[1] - previous.box[3] > 2.5 * boxHeight(line.box)) break;
    lines.push(i);
    if (likeAddress >= 0.2 || (address.length > 0 && !companySuffix.test(text))) {
      address.push(i);
      sender ||= likeAddress >= 0.4;
    } else {
      company.push(i);
      sender ||= companySuffix.test(text);
    }
  }
  if (!sender || (!closed && address.length === 0)) return { company: [], address: [], lines: [] };
  return { company, address, lines };
}

/** Lines under "Bill to" and the like: the first is a person or company, the others its address. */
export function partyBlocks(page: OcrPage): { readonly name: number; readonly address: readonly number[] }[] {
  const blocks: { name: number; address: number[] }[] = [];
  page.lines.forEach((line, index) => {
    const bare = line.text.replace(/[\s:.-]+$/u, "").trim();
    const match = labels.party.exec(bare);
    if (!match || match.index > 0 || match[0].length < bare.length) return;
    const chain: number[] = [];
    let at = below(page, index);
    while (at !== undefined && chain.length < 6) {
      const { text } = page.lines[at]!;
      if (headerEnd.test(text) && addressScore(text) < 0.4 && !companySuffix.test(text)) break;
      chain.push(at);
      at = below(page, at);
    }
    // A single line below may be anything; an address makes it a block.
    const [name, ...address] = chain;
    if (name !== undefined && address.some((i) => addressScore(page.lines[i]!.text) >= 0.4))
      blocks.push({ name, address });
  });
  return blocks;
}
