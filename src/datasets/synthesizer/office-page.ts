/** A sheet of office paper: measures in millimetres and points, blocks of lines, the parts letters and invoices share. */
import type { EntityType } from "../../detection/entity.ts";
import type { DraftContext } from "./draft.ts";
import type { Inventor, Person, Place } from "./inventor.ts";
import { accentColour, dust, punchHoles } from "./ornaments.ts";
import { type Content, contentText, fitStyle, type InkStyle, type Rgb, Sheet, wrap } from "./sheet.ts";
import { pickTypeface, type Typeface } from "./typefaces.ts";

type Random = DraftContext["random"];

export class OfficePage {
  readonly sheet = new Sheet();
  readonly width: number;
  readonly height: number;
  /** Pixels a millimetre. */
  readonly mm: number;
  readonly left: number;
  readonly right: number;
  readonly face: Typeface;
  /** Running text. */
  readonly body: InkStyle;
  readonly accent: Rgb;
  /** Distance of baselines of running text. */
  readonly leading: number;

  /** A4, or US letter; 100 to 150 dots an inch. */
  constructor({ random, inventor }: DraftContext, weights: Parameters<typeof pickTypeface>[1]) {
    const dpi = random.range(100, 150);
    this.mm = dpi / 25.4;
    this.width = Math.round((inventor.country === "US" ? 216 : 210) * this.mm);
    this.height = Math.round((inventor.country === "US" ? 279 : 297) * this.mm);
    this.left = random.range(17, 26) * this.mm;
    this.right = this.width - random.range(15, 24) * this.mm;
    this.face = pickTypeface(random, weights);
    const shade = random.weighted([
      [random.int(8, 36), 6],
      [random.int(36, 90), 2],
    ]);
    const size = this.points(random.range(9, 11.2));
    this.body = {
      face: this.face.regular,
      size,
      colour: [shade, shade, Math.min(255, shade + 4)],
      // Types press ink into the paper around them.
      bleed: this.face.category === "typewriter" ? size * random.range(0.005, 0.03) : 0,
    };
    this.accent = accentColour(random);
    this.leading = this.body.size * random.range(1.18, 1.45);
  }

  /** Type size in pixels. */
  points(size: number): number {
    return size * (25.4 / 72) * this.mm;
  }

  bold(scale = 1): InkStyle {
    return { ...this.body, face: this.face.bold, size: this.body.size * scale };
  }

  small(scale = 0.82): InkStyle {
    return { ...this.body, size: this.body.size * scale };
  }

  /** Lines under each other from baseline `y`; each fits `room`. Returns the baseline below the last line. */
  lines(
    lines: readonly Content[],
    x: number,
    y: number,
    style = this.body,
    options: { align?: "left" | "center" | "right"; room?: number; leading?: number } = {},
  ): number {
    const leading = options.leading ?? (this.leading * style.size) / this.body.size;
    for (const line of lines) {
      if (contentText(line).trim() !== "")
        this.sheet.line(line, x, y, fitStyle(line, style, options.room ?? this.right - this.left), {
          align: options.align ?? "left",
        });
      y += leading;
    }
    return y;
  }

  /** A paragraph broken at `room`. Returns the baseline below it. */
  paragraph(content: Content, x: number, y: number, room: number, style = this.body): number {
    const lines = wrap(content, style, room).map((line) =>
      line.map((piece, i) =>
        i < line.length - 1
          ? piece
          : typeof piece === "string"
            ? piece.trimEnd()
            : { ...piece, text: piece.text.trimEnd() },
      ),
    );
    return this.lines(lines, x, y, style, { room });
  }

  /** Holes and specks of a page that was filed. */
  wear(random: Random): void {
    if (random.chance(0.22)) punchHoles(this.sheet, random, this.height, this.mm);
    if (random.chance(0.5)) dust(this.sheet, random, this.width, this.height, 1.6);
  }
}

export const tagged = (text: string, entity: EntityType): Content => [{ text, entity }];

/** Name (and firm) over street and town, each line labelled. */
export function addressBlock(options: { company?: string; person?: Person; place: Place; title?: string }): Content[] {
  const { company, person, place, title } = options;
  const lines: Content[] = [];
  if (company !== undefined) lines.push(tagged(company, "company"));
  if (person !== undefined)
    lines.push([...(title === undefined ? [] : [`${title} `]), { text: person.full, entity: "person" as const }]);
  for (const line of place.lines) lines.push(tagged(line, "address"));
  return lines;
}

export interface Sender {
  readonly company: string;
  readonly place: Place;
  readonly phone: string;
  readonly email: string;
  readonly url: string;
  readonly taxId: string;
  readonly iban: string;
  readonly bic: string;
  readonly bank: string;
  readonly manager: Person;
}

export function inventSender(random: Random, inventor: Inventor): Sender {
  const company = inventor.company();
  return {
    company,
    place: inventor.place(),
    phone: inventor.phone(),
    email: inventor.email(company),
    url: inventor.url(company),
    taxId: inventor.taxId(),
    iban: inventor.iban(),
    bic: inventor.bic(),
    bank: random.pick(inventor.words.invoice.banks),
    manager: inventor.person(),
  };
}

/** "Tel. 030 …", "info@…": how to reach the sender. */
export function contactLines(random: Random, inventor: Inventor, sender: Sender): Content[] {
  const { receipt } = inventor.words;
  const lines: Content[] = [[`${random.pick(receipt.tel)} `, { text: sender.phone, entity: "phone" }]];
  if (random.chance(0.3)) lines.push([`${random.pick(receipt.fax)} `, { text: inventor.phone(), entity: "phone" }]);
  lines.push(
    random.chance(0.5)
      ? tagged(sender.email, "email")
      : [`${random.pick(receipt.email)}: `, { text: sender.email, entity: "email" }],
  );
  if (random.chance(0.6)) lines.push(tagged(sender.url, "url"));
  return lines;
}

/** Two to four columns of small print at the foot of the page. */
export function footer(page: OfficePage, random: Random, inventor: Inventor, sender: Sender, withRule: boolean): void {
  const { invoice, receipt } = inventor.words;
  const style = page.small(random.range(0.66, 0.78));
  const leading = style.size * 1.3;
  const columns: Content[][] = [
    [tagged(sender.company, "company"), ...sender.place.lines.map((line) => tagged(line, "address"))],
    contactLines(random, inventor, sender),
    [
      [`${random.pick(invoice.bank)}: ${sender.bank}`],
      ["IBAN ", { text: sender.iban, entity: "iban" }],
      [`BIC ${sender.bic}`],
    ],
    [
      [`${random.pick(receipt.taxId)} `, { text: sender.taxId, entity: "tax_id" }],
      [`${random.pick(invoice.manager)}: `, { text: sender.manager.full, entity: "person" }],
    ],
  ];
  const chosen = inventor.currencyFirst
    ? [columns[0]!, columns[1]!, columns[3]!]
    : random.chance(0.7)
      ? columns
      : columns.slice(0, 3);
  const top = page.height - 12 * page.mm - leading * 4;
  if (withRule)
    page.sheet.rule(
      page.left,
      top - style.size * 1.2,
      page.right,
      top - style.size * 1.2,
      page.accent,
      Math.max(1, 0.2 * page.mm),
    );
  const step = (page.right - page.left) / chosen.length;
  chosen.forEach((lines, i) => {
    page.lines(lines, page.left + i * step, top, style, { leading, room: step - 3 * page.mm });
  });
}
