/** Words that tell what stands beside or below them, in English, German, French, Spanish, Italian, Dutch and Malay. */
import { boxHeight, boxWidth } from "../documents/geometry.ts";
import type { OcrLine, OcrPage } from "./ocr.ts";

const words = (...alternatives: string[]): RegExp =>
  new RegExp(`(?<![\\p{L}\\d])(?:${alternatives.join("|")})(?![\\p{L}])`, "iu");

/** Number signs after a label: "No.", "#", "Nr", "N°". */
const number = String.raw`(?:\s*(?:no|nr|num|number|nummer|n[°º]|#|id)\b\.?)?`;

export const labels = {
  phone: words(
    "tel",
    "te1",
    "telephone",
    "telefon",
    "téléphone",
    "teléfono",
    "telefono",
    "telefoon",
    "phone",
    "ph",
    "mobile",
    "mobil",
    "handy",
    "cell",
    "fax",
    "h\\/?p",
    "hotline",
    "whatsapp",
    "contact\\s*no",
    "tél",
    "gsm",
    "call",
    "office",
  ),
  email: words("e-?mail", "mail", "courriel", "correo"),
  birth: words(
    "date\\s+of\\s+birth",
    "d\\.?o\\.?b",
    "born",
    "birth\\s*date",
    "geburtsdatum",
    "geboren",
    "né\\(?e?\\)?\\s+le",
    "date\\s+de\\s+naissance",
    "fecha\\s+de\\s+nacimiento",
    "nato",
    "data\\s+di\\s+nascita",
    "geboortedatum",
  ),
  date: words("date", "datum", "fecha", "data", "tarikh", "issued", "expiry", "valid\\s+until"),
  taxId: words(
    `gst(?:\\s*(?:reg(?:istration)?|id))?\\.?${number}`,
    `vat(?:\\s*(?:reg(?:istration)?|id))?\\.?${number}`,
    `tax\\s*(?:id|no|reg|number)\\.?${number}`,
    `sst(?:\\s*(?:reg(?:istration)?|id))?\\.?${number}`,
    "ust-?id(?:\\.?-?nr)?\\.?",
    "ust\\.?-?idnr\\.?",
    "mwst\\.?-?nr\\.?",
    "steuer-?n(?:umme)?r\\.?",
    "n[°º]?\\s*(?:de\\s+)?tva(?:\\s+intra\\S*)?",
    "tva",
    "p\\.?\\s*iva",
    "partita\\s+iva",
    "cod(?:ice|\\.)\\s*fisc(?:ale|\\.)",
    "nif",
    "cif",
    "btw(?:-?nr|-?nummer)?\\.?",
    "siret",
    "siren",
    `ein${number}`,
    `tin${number}`,
    `(?:co|company|business|comp)\\.?\\s*(?:reg(?:istration|n)?\\.?)?\\s*(?:no|number|id)\\.?`,
    `ro[cb](?:\\s*reg)?\\.?${number}`,
    `reg(?:istration|n|d)?\\.?\\s*(?:no|number)\\.?`,
    "ssm",
    "kvk(?:-?nr)?\\.?",
    "handelsregister",
    "hrb",
  ),
  idNumber: words(
    `passport${number}`,
    `reisepass${number}`,
    `passeport${number}`,
    `(?:my)?kad${number}`,
    `i\\.?c\\.?${number}`,
    `nric${number}`,
    `(?:identity|id)\\s*card${number}`,
    "id\\s*(?:no|number|nr)\\.?",
    "ausweis-?(?:nr|nummer)?\\.?",
    "personalausweis",
    `s\\.?s\\.?n\\.?`,
    "social\\s+security(?:\\s+(?:no|number))?",
    `driv(?:er|ing)'?s?\\s*licen[cs]e${number}`,
    `licen[cs]e\\s*(?:no|number)\\.?`,
    "dni",
    "nie",
    "bsn",
    "carte\\s+d.identité",
    "document\\s*(?:no|number|nr)\\.?",
    `(?:member(?:ship)?|loyalty|card\\s*member)${number}`,
    `(?:customer|client|patient|policy|employee|staff)\\s*(?:no|nr|number|id)\\.?`,
    "kunden-?(?:nr|nummer)\\.?",
    "mitglieds-?(?:nr|nummer)\\.?",
    "n[°º]?\\s*client",
    "personal\\s*(?:no|number|nr)\\.?",
  ),
  account: words(
    `(?:bank\\s*)?(?:account|acct|a\\/c)\\s*(?:no|nr|number|#)?\\.?`,
    "konto-?(?:nr|nummer)?\\.?",
    "iban",
    "kontonummer",
  ),
  person: words(
    "cashier(?:\\s*name)?",
    "served\\s*by",
    "server",
    "attended\\s*by",
    "attn\\.?",
    "attention",
    "(?:first|last|full|given|family|customer|patient|employee|student|staff|contact|guest|cardholder|holder'?s?)?\\s*names?\\.?",
    "surname",
    "customer",
    "client",
    "patient",
    "cardholder",
    "salesm[ae]n",
    "sales\\s*person",
    "salesperson",
    "sold\\s*by",
    "prepared\\s*by",
    "approved\\s*by",
    "signed(?:\\s*by)?",
    "contact(?:\\s*person)?",
    "manager",
    "kassierer(?:in)?",
    "bediener",
    "es\\s+bediente\\s+sie",
    "bedient\\s+von",
    "sachbearbeiter(?:in)?",
    "ansprechpartner(?:in)?",
    "vorname",
    "nachname",
    "familienname",
    "kunde",
    "caissier",
    "caissière",
    "vendeur",
    "vendeuse",
    "nom",
    "prénoms?",
    "nombre",
    "apellidos?",
    "cajer[oa]",
    "cliente",
    "cognome",
    "nome",
    "cassiere",
    "operatore",
    "naam",
    "voornaam",
    "achternaam",
    "nama",
    "jurujual",
    "operator",
    "waiter",
    "doctor",
    "dear",
  ),
  party: words(
    "bill(?:ed)?\\s*to",
    "ship(?:ped)?\\s*to",
    "sold\\s*to",
    "deliver(?:y)?\\s*(?:to|address)",
    "invoice\\s*to",
    "customer",
    "bill-to",
    "m\\/s",
    "messrs",
    "to",
    "from",
    "sender",
    "rechnung\\s+an",
    "lieferadresse",
    "rechnungsadresse",
    "empfänger",
    "absender",
    "facturer\\s*à",
    "facturé\\s*à",
    "adresse\\s+de\\s+(?:livraison|facturation)",
    "destinataire",
    "facturar\\s+a",
    "destinatario",
    "cliente",
    "factuuradres",
    "intestatario",
  ),
  address: words(
    "address",
    "adresse",
    "anschrift",
    "dirección",
    "direccion",
    "indirizzo",
    "adres",
    "alamat",
    "residence",
    "wohnort",
    "place\\s+of\\s+residence",
  ),
} as const satisfies Record<string, RegExp>;

/** Ends the block of company and address at the top: what follows is the document's own business. */
export const headerEnd = words(
  "tel",
  "te1",
  "telephone",
  "telefon",
  "téléphone",
  "phone",
  "fax",
  "h\\/?p",
  "(?:tax\\s*)?invoice",
  "receipt",
  "cash\\s*(?:bill|sales?)",
  "date",
  "datum",
  "rechnung",
  "facture",
  "factura",
  "fattura",
  "factuur",
  "cashier",
  "bill\\s*(?:no|to)",
  "table",
  "qty",
  "description",
  "item",
  "order",
  "e-?mail",
  "dear",
  "subject",
  "doc(?:ument)?\\s*no",
  "quittung",
  "kassenbon",
  "ticket",
  "page",
  "time",
  "to",
);

/** Registrations inside the header: not part of an address, and not its end. */
export const registration = words(
  "gst",
  "sst",
  "vat",
  "roc",
  "rob",
  "reg(?:n|d)?",
  "co\\.?\\s*reg\\.?",
  "company\\s*no",
  "ssm",
  "ust",
  "siret",
  "nif",
  "p\\.?\\s*iva",
  "site",
  "branch",
  "store",
  "shop\\s*no",
);

/** A text part of one line. */
export interface Located {
  readonly line: number;
  /** Characters of the line's text. */
  readonly span: readonly [start: number, end: number];
  readonly text: string;
}

const separators = /^[\s:;.,#=\-–—)\]>]+/u;

/**
 * The values that belong to a label: after it on its line, else to its right in the same row, else right below it.
 * Several labels on a line end each other's value at `stop`.
 */
export function labelled(page: OcrPage, label: RegExp, stop?: RegExp): Located[] {
  const found: Located[] = [];
  page.lines.forEach((line, index) => {
    for (const match of line.text.matchAll(new RegExp(label.source, "giu"))) {
      const from = match.index + match[0].length;
      const rest = line.text.slice(from);
      const gap = separators.exec(rest)?.[0].length ?? 0;
      let end = line.text.length;
      if (stop) {
        const next = new RegExp(stop.source, "iu").exec(line.text.slice(from + gap));
        if (next && next.index > 0) end = from + gap + next.index;
      }
      const value = trimmed(line, index, from + gap, end);
      if (value) found.push(value);
      else {
        const beside = rightOf(page, index) ?? below(page, index);
        if (beside !== undefined) {
          const text = page.lines[beside]!.text;
          const located = trimmed(page.lines[beside]!, beside, separators.exec(text)?.[0].length ?? 0, text.length);
          if (located) found.push(located);
        }
      }
    }
  });
  return found;
}

function trimmed(line: OcrLine, index: number, start: number, end: number): Located | undefined {
  const raw = line.text.slice(start, end);
  const text = raw.trim();
  if (!/[\p{L}\d]/u.test(text)) return undefined;
  const from = start + raw.indexOf(text);
  return { line: index, span: [from, from + text.length], text };
}

/** The nearest line with letters or digits to the right in the same row. */
export function rightOf(page: OcrPage, index: number): number | undefined {
  const { box } = page.lines[index]!;
  let best: number | undefined;
  page.lines.forEach((other, i) => {
    if (i === index || !/[\p{L}\d]/u.test(other.text)) return;
    const overlap = Math.min(box[3], other.box[3]) - Math.max(box[1], other.box[1]);
    if (other.box[0] < box[2] - 2 || overlap < 0.5 * Math.min(boxHeight(box), boxHeight(other.box))) return;
    if (best === undefined || other.box[0] < page.lines[best]!.box[0]) best = i;
  });
  return best;
}

/** The nearest line below that starts near or overlaps it, at most two line heights away. */
export function below(page: OcrPage, index: number): number | undefined {
  const { box } = page.lines[index]!;
  let best: number | undefined;
  page.lines.forEach((other, i) => {
    const distance = other.box[1] - box[3];
    const overlap = Math.min(box[2], other.box[2]) - Math.max(box[0], other.box[0]);
    if (i === index || distance < -0.3 * boxHeight(box) || distance > 1.5 * boxHeight(box)) return;
    if (overlap < 0.3 * Math.min(boxWidth(box), boxWidth(other.box)) || other.box[1] <= box[1]) return;
    if (best === undefined || other.box[1] < page.lines[best]!.box[1]) best = i;
  });
  return best;
}

/** Whether the label stands before position `at` on the line, or alone to the left of it in the same row. */
export function hasLabelBefore(page: OcrPage, index: number, at: number, label: RegExp): boolean {
  if (label.test(page.lines[index]!.text.slice(0, at))) return true;
  const { box } = page.lines[index]!;
  return page.lines.some((other, i) => {
    if (i === index || other.box[2] > box[0] + 2) return false;
    const overlap = Math.min(box[3], other.box[3]) - Math.max(box[1], other.box[1]);
    return (
      overlap > 0.5 * Math.min(boxHeight(box), boxHeight(other.box)) &&
      label.test(other.text) &&
      rightOf(page, i) === index
    );
  });
}
