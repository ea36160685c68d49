/** The table of what was bought. */
import { boxHeight } from "../documents/geometry.ts";
import { layoutOf, type Segment } from "./layout.ts";
import type { OcrPage } from "./ocr.ts";

const tableHeads = new Set(
  `qty quantity uom uprice unitprice sprice price rsp amount amt description desc item itemdesc items product particulars total disc discount tax unit
  menge anzahl stk preis einzelpreis betrag gesamt bezeichnung beschreibung leistung artikel einheit
  quantite qte prix prixunitaire pu montant designation libelle article unite prestation
  cantidad cant precio preciounitario importe descripcion concepto articulo unidad
  quantita qta prezzo prezzounitario importo descrizione articolo unita
  aantal prijs stukprijs bedrag omschrijving artikel eenheid`.split(/\s+/),
);
/** May stand beside heads of columns, and are none by themselves. */
const besideHeads = new Set("no nr pos gst sr vat code rm eur usd incl excl ht ttc mwst iva btw tva in of".split(" "));
const totals =
  /(?<![\p{L}])(?:(?:sub\s?-?\s?|grand\s|nett?\s)?total[ei]?|totaal|subtotaal|subtotale|gesamt(?:betrag)?|summe|zwischensumme|sous-total|net a payer|amount due|balance|base imponible|imponibile|jumlah)(?![\p{L}])/u;

/**
 * Whether a segment stands in the table of what was bought, between its head and the totals. Item names there look like
 * names of persons, shops and streets and are none of them.
 */
export function inItemTable(page: OcrPage): (segment: Segment) => boolean {
  const head = tableHead(page);
  if (head === undefined) return () => false;
  const { segments } = layoutOf(page);
  const end = segments.find((segment) => segment.box[1] > head && totals.test(segment.folded) && !isHeadCell(segment));
  const bottom = end ? end.box[1] : head + 0.25 * page.height;
  return ({ box }) => box[1] >= head && box[3] <= bottom + 0.5 * boxHeight(box);
}

const wordsOf = ({ folded }: Segment): string[] => folded.split(/[^\p{L}]+/u).filter(Boolean);

/** A head of a column ("Qty", "Unit price"). */
export const isHeadCell = (segment: Segment): boolean => {
  const words = wordsOf(segment);
  return (
    words.some((word) => tableHeads.has(word)) && words.every((word) => tableHeads.has(word) || besideHeads.has(word))
  );
};

/** Where the first row lies that has two or more heads of columns (its bottom edge). */
function tableHead(page: OcrPage): number | undefined {
  const layout = layoutOf(page);
  for (const segment of layout.segments) {
    if (!isHeadCell(segment)) continue;
    let heads = new Set(wordsOf(segment).filter((word) => tableHeads.has(word))).size;
    for (let next = layout.right(segment); next; next = layout.right(next)) if (isHeadCell(next)) heads++;
    if (heads >= 2) return segment.box[3];
  }
  return undefined;
}
