/** Till receipts: narrow paper, one typeface, columns of amounts. */
import { type Basket, fillBasket } from "../basket.ts";
import type { DotPrint } from "../dot-print.ts";
import { type Draft, type DraftContext, mapContent, upper } from "../draft.ts";
import type { Inventor } from "../inventor.ts";
import { markLines } from "../marks.ts";
import {
  accentColour,
  barcode,
  black,
  cupRing,
  dust,
  logo,
  matrixCode,
  penColour,
  penRing,
  scribble,
  stamp,
  stapleHoles,
} from "../ornaments.ts";
import {
  type Content,
  contentText,
  fitStyle,
  type InkStyle,
  type Rgb,
  Sheet,
  scaleStyle,
  textWidth,
  wrap,
} from "../sheet.ts";
import { needleFace, pickTypeface, type Typeface } from "../typefaces.ts";

const taxRates: Readonly<Record<string, readonly number[]>> = {
  US: [6, 7, 8],
  GB: [20],
  MY: [6, 0],
  DE: [19, 7],
  FR: [20, 10],
  ES: [21, 10],
  IT: [22, 10],
  NL: [21, 9],
};

/** Puts rows under each other on narrow paper. */
class Roll {
  y: number;
  readonly sheet: Sheet;
  readonly left: number;
  readonly right: number;
  readonly style: InkStyle;
  readonly bold: InkStyle;
  readonly leading: number;
  readonly #write: (text: string) => string;

  constructor(options: {
    sheet: Sheet;
    top: number;
    left: number;
    right: number;
    style: InkStyle;
    bold: InkStyle;
    leading: number;
    write: (text: string) => string;
  }) {
    this.sheet = options.sheet;
    this.y = options.top;
    this.left = options.left;
    this.right = options.right;
    this.style = options.style;
    this.bold = options.bold;
    this.leading = options.leading;
    this.#write = options.write;
  }

  get width(): number {
    return this.right - this.left;
  }

  write(content: Content): Content {
    return mapContent(content, this.#write);
  }

  gap(lines: number): void {
    this.y += this.leading * lines;
  }

  /** One row of cells; each fits its room by getting narrower. */
  row(
    cells: readonly { content: Content; x: number; align?: "left" | "center" | "right"; room?: number }[],
    style = this.style,
  ): [number, number][] {
    this.y += this.leading * Math.max(1, (style.tall ?? 1) * (style.size / this.style.size));
    if (Math.min(...style.colour) > 200) this.#bar(style);
    return cells.map(({ content, x, align = "left", room }) => {
      const written = this.write(content);
      const space = room ?? (align === "center" ? this.width : align === "right" ? x - this.left : this.right - x);
      return this.sheet.line(written, x, this.y, fitStyle(written, style, space), { align });
    });
  }

  /** The dark ground of a row in white letters. */
  #bar({ size, tall = 1 }: InkStyle): void {
    const high = size * tall;
    this.sheet.rect(this.left - size * 0.2, this.y - high * 0.92, this.right + size * 0.2, this.y + high * 0.26, {
      fill: this.style.colour,
    });
  }

  /** Text broken into as many rows as it needs. */
  block(content: Content, align: "left" | "center", style = this.style): void {
    for (const line of wrap(this.write(content), style, this.width)) {
      const text = contentText(line).trimEnd();
      const trimmed = line.map((piece, i) =>
        i < line.length - 1
          ? piece
          : typeof piece === "string"
            ? piece.trimEnd()
            : { ...piece, text: piece.text.trimEnd() },
      );
      if (text === "") continue;
      this.y += this.leading * Math.max(1, (style.tall ?? 1) * (style.size / this.style.size));
      this.sheet.line(
        trimmed,
        align === "left" ? this.left : (this.left + this.right) / 2,
        this.y,
        fitStyle(trimmed, style, this.width),
        { align },
      );
    }
  }

  rule(kind: "dashes" | "solid" | "double" | "dots" | "none"): void {
    if (kind === "none") {
      this.gap(0.4);
      return;
    }
    this.y += this.leading * 0.6;
    const { size, colour } = this.style;
    const dash = {
      dashes: [size * 0.45, size * 0.2],
      dots: [2, 4],
      solid: undefined,
      double: [size * 0.5, size * 0.12],
    }[kind];
    const wide = Math.max(1, size * 0.07);
    this.sheet.rule(this.left, this.y, this.right, this.y, colour, wide, dash);
    if (kind === "double")
      this.sheet.rule(this.left, this.y + size * 0.22, this.right, this.y + size * 0.22, colour, wide, dash);
    this.y += this.leading * 0.15;
  }
}

export function draftReceipt({ random, inventor, decorations }: DraftContext): Draft {
  const { words } = inventor;
  const width = Math.round(
    random.weighted([
      [random.range(460, 640), 5],
      [random.range(640, 940), 5],
    ]),
  );
  const margin = width * random.range(0.045, 0.1);
  const printer = random.weighted<"thermal" | "needles" | "smooth">([
    ["thermal", 5],
    ["needles", 1.7],
    ["smooth", 3],
  ]);
  const face = pickTypeface(random, [
    ["mono", 5],
    ["dot-matrix", printer === "smooth" ? 2 : 0.6],
    ["sans", printer === "needles" ? 1 : 4],
    ["condensed", 1.5],
    ["typewriter", printer === "needles" ? 3 : 0.7],
    ["serif", 0.5],
  ]);
  const ink = random.weighted<Rgb>([
    [[12, 12, 14], 5],
    [[40, 40, 44], 2],
    [[64, 58, 120], printer === "needles" ? 3 : 1],
    [[84, 84, 90], 1],
    [[48, 40, 90], 0.5],
    [[176, 46, 116], printer === "needles" ? 1.2 : 0.15],
    [[104, 92, 168], printer === "needles" ? 2 : 0.3],
    [[120, 120, 128], printer === "needles" ? 2 : 0.5],
  ]);
  const [style, leading] = typeSize(
    random,
    { face: random.chance(0.18) ? face.bold : face.regular, colour: ink },
    printer,
    width,
    width - 2 * margin,
  );
  const size = style.size;
  const write = random.chance(0.35) ? upper : (text: string): string => text;
  const sheet = new Sheet();
  const roll = new Roll({
    sheet,
    top: size * random.range(1.5, 4),
    left: margin,
    right: width - margin,
    style,
    bold: boldOf(style, face),
    leading,
    write,
  });
  const rule = (): void => roll.rule(ruleKind);
  const ruleKind = random.weighted<"dashes" | "solid" | "double" | "dots" | "none">([
    ["dashes", 5],
    ["solid", 2],
    ["double", 1.2],
    ["dots", 0.7],
    ["none", 0.8],
  ]);
  const fields: Record<string, string> = {};
  const food = random.chance(0.35);
  const basket = fillBasket(random, {
    names: food ? words.receipt.dishes : words.receipt.products,
    count: random.weighted([
      [random.int(1, 4), 5],
      [random.int(4, 10), 4],
      [random.int(10, 22), 1],
    ]),
    prices: food ? [180, 2900] : [90, 8900],
    quantities: [1, 4],
    taxRates: taxRates[inventor.country] ?? [20],
    taxIncluded: inventor.country !== "US" && random.chance(0.75),
    round: inventor.country === "MY",
  });

  if (decorations) stapleOrNote(sheet, random, roll, width);
  head(roll, random, inventor, fields, face, decorations);
  rule();
  details(roll, random, inventor, fields);
  rule();
  items(roll, random, inventor, basket);
  rule();
  const totalBox = totals(roll, random, inventor, basket, fields, decorations);
  payment(roll, random, inventor, basket, fields);
  if (random.chance(0.35)) taxTable(roll, random, inventor, basket);
  rule();
  foot(roll, random, inventor, fields, decorations);
  const height = Math.round(roll.y + size * random.range(2, 7));
  if (decorations) {
    scrawl(sheet, random, totalBox, width, height, face);
    markLines(sheet, random.fork("marks"), {
      width,
      height,
      underlines: 0.06,
      frames: 0.05,
      highlighter: 0.06,
      ground: 0.05,
    });
  }
  return { sheet, width, height, paper: "thermal", fields };
}

/** Letters as large as fit some number of characters a line, the way the printer makes them. */
function typeSize(
  random: Random,
  base: Pick<InkStyle, "face" | "colour">,
  printer: "thermal" | "needles" | "smooth",
  width: number,
  room: number,
): [style: InkStyle, leading: number] {
  const columns = random.weighted([
    [random.int(30, 36), 3],
    [random.int(36, 42), 4],
    [random.int(42, 50), 2],
  ]);
  const nine = printer === "needles" && random.chance(0.55);
  const face = nine ? needleFace : base.face;
  const sample = "Total 0123456789 amount";
  const unit = textWidth(sample, { face, size: 1, colour: black }) / sample.length;
  const narrow = printer === "thermal" && random.chance(0.55) ? random.int(14, 19) / 20 : 1;
  const size = Math.min(44, Math.max(13, room / columns / unit / narrow));
  const tight = face.category === "dot-matrix" && !nine;
  const leading = size * random.range(tight ? 0.85 : 1.12, tight ? 1.05 : 1.45);
  if (printer === "thermal") {
    // 203 dots an inch: some 640 over the paper of a large till, 460 over that of a small one.
    const pitch =
      width /
      random.weighted([
        [random.range(590, 680), 4],
        [random.range(440, 480), 2],
      ]);
    const em = Math.max(18, Math.round(size / pitch));
    const cold = random.chance(0.45) ? random.range(0.1, 0.8) : 1;
    const dots: DotPrint = { head: "thermal", em, narrow, dot: random.range(0.88, 1.3), cold };
    return [{ ...base, size: em * pitch, dots }, leading];
  }
  if (printer === "needles") {
    const tired = random.chance(0.5) ? random.range(0.1, 0.6) : 0.1;
    const needles = Array.from({ length: nine ? 9 : 24 }, () => 1 - tired * random.next());
    const shift = random.chance(0.4) ? random.range(0.1, 0.45) : 0;
    const dots: DotPrint = {
      head: "impact",
      em: nine ? 10 : random.int(20, 25),
      dot: nine ? random.range(0.95, 1.55) : random.range(1.2, 1.7),
      needles,
      shift,
    };
    return [{ ...base, face, size, dots }, leading];
  }
  return [
    {
      ...base,
      size,
      stretch: random.chance(0.25) ? random.range(0.85, 1.12) : 1,
      bleed: random.chance(0.25) ? size * random.range(0.005, 0.02) : 0,
    },
    leading,
  ];
}

/** Bold type; where the typeface has none, the ink spreads. */
function boldOf(style: InkStyle, { bold, regular }: Typeface): InkStyle {
  const { dots, size, face } = style;
  const own = bold !== regular && face !== needleFace;
  if (dots === undefined) return { ...style, face: bold, bleed: (style.bleed ?? 0) + (own ? 0 : size * 0.02) };
  return { ...style, ...(own ? { face: bold } : { dots: { ...dots, dot: dots.dot + 0.5 } }) };
}

type Random = DraftContext["random"];
type Fields = Record<string, string>;

function head(
  roll: Roll,
  random: Random,
  inventor: Inventor,
  fields: Fields,
  face: Typeface,
  decorations: boolean,
): void {
  const { receipt } = inventor.words;
  const align = random.chance(0.82) ? "center" : "left";
  const place = inventor.place();
  const company = inventor.shop();
  const shown = (content: Content): string => contentText(roll.write(content));
  if (decorations && random.chance(0.22)) {
    const size = roll.width * random.range(0.14, 0.26);
    const x = align === "center" ? (roll.left + roll.right - size) / 2 : roll.left;
    logo(
      roll.sheet,
      random,
      x,
      roll.y,
      size,
      company,
      random.chance(0.7) ? roll.style.colour : accentColour(random),
      face,
    );
    roll.y += size + roll.leading * 0.4;
  }
  const dotted = roll.style.dots !== undefined;
  const wide = (factor: number): number => (dotted ? 2 : factor);
  const heading = random.weighted<InkStyle>([
    [scaleStyle(roll.bold, random.range(1.1, 1.55)), 4],
    [{ ...roll.bold, tall: wide(random.range(1.2, 1.8)) }, 1.5],
    [{ ...roll.style, stretch: (roll.style.stretch ?? 1) * wide(random.range(1.2, 1.7)) }, 1.5],
    [{ ...roll.bold, tall: wide(1.5), stretch: (roll.style.stretch ?? 1) * wide(1.5) }, dotted ? 1 : 0],
    [roll.style, 2],
  ]);
  roll.block([{ text: company, entity: "company" }], align, heading);
  fields["company"] = shown(company);
  if (random.chance(0.4))
    roll.block(
      inventor.country === "MY"
        ? `(${random.digits(6)}-${random.pick([..."AHKMPTUVX"])})`
        : `${random.pick(["Reg.", "No.", "ID"])} ${random.digits(6)}`,
      align,
    );
  for (const line of place.lines) roll.block([{ text: line, entity: "address" }], align);
  fields["address"] = shown(place.lines.join(" "));
  if (random.chance(0.8)) {
    const phone = inventor.phone();
    const label = `${random.pick(receipt.tel)}${random.pick([": ", " : ", " ", ":"])}`;
    const line: Content[number][] = [label, { text: phone, entity: "phone" }];
    if (random.chance(0.2)) line.push(`  ${random.pick(receipt.fax)}: `, { text: inventor.phone(), entity: "phone" });
    roll.block(line as Content, align);
    fields["phone"] = phone;
  }
  if (random.chance(0.55)) {
    const id = inventor.taxId();
    roll.block(
      [`${random.pick(receipt.taxId)}${random.pick([": ", " : ", " ", " "])}`, { text: id, entity: "tax_id" }],
      align,
    );
    fields["taxId"] = id;
  }
  if (random.chance(0.22))
    roll.block(
      [
        ...(random.chance(0.5) ? [`${random.pick(receipt.email)}: `] : []),
        { text: inventor.email(company), entity: "email" },
      ],
      align,
    );
  if (random.chance(0.2)) roll.block([{ text: inventor.url(company), entity: "url" }], align);
  if (random.chance(0.7)) {
    roll.gap(random.range(0.2, 0.9));
    roll.block(
      random.pick(receipt.titles),
      random.chance(0.85) ? "center" : align,
      random.chance(0.6) ? scaleStyle(roll.bold, random.range(1, 1.35)) : roll.style,
    );
  }
  roll.gap(random.range(0.1, 0.6));
}

function details(roll: Roll, random: Random, inventor: Inventor, fields: Fields): void {
  const { receipt } = inventor.words;
  const date = inventor.dateText(inventor.date());
  const time = `${String(random.int(7, 22)).padStart(2, "0")}:${String(random.int(0, 59)).padStart(2, "0")}${random.chance(0.5) ? `:${String(random.int(0, 59)).padStart(2, "0")}` : ""}`;
  fields["date"] = contentText(roll.write(date));
  fields["time"] = time;
  const rows: { label: string; value: Content }[] = [];
  const number = random.weighted([
    [random.digits(random.int(4, 10)), 3],
    [`${random.pick(["CS", "INV", "A", "POS1-", "R"])}${random.digits(6)}`, 3],
    [`${random.digits(4)}-${random.digits(4)}`, 1],
  ]);
  fields["receiptNumber"] = number;
  rows.push({ label: random.pick(receipt.number), value: number });
  const together = random.chance(0.45);
  rows.push({
    label: random.pick(receipt.date),
    value: together ? [{ text: date, entity: "date" }, ` ${time}`] : [{ text: date, entity: "date" }],
  });
  if (!together) rows.push({ label: random.pick(receipt.time), value: time });
  if (random.chance(0.6)) {
    const person = inventor.person();
    const name = random.chance(0.6) ? person.first : person.full;
    rows.push({ label: random.pick(receipt.cashier), value: [{ text: name, entity: "person" }] });
    fields["cashier"] = contentText(roll.write(name));
  }
  if (random.chance(0.3)) rows.push({ label: random.pick(receipt.table), value: String(random.int(1, 40)) });
  if (random.chance(0.22)) {
    const person = inventor.person();
    rows.push({ label: random.pick(receipt.customer), value: [{ text: person.full, entity: "person" }] });
    fields["customer"] = contentText(roll.write(person.full));
  }
  const colon = random.pick([" : ", ": ", " ", " :"]);
  const layout = random.weighted<"inline" | "tabbed" | "two columns" | "ends">([
    ["inline", 3],
    ["tabbed", 4],
    ["two columns", 2],
    ["ends", 1],
  ]);
  const glue = (label: string, value: Content): Content => [
    `${label}${colon}`,
    ...(typeof value === "string" ? [value] : value),
  ];
  if (layout === "two columns") {
    const middle = roll.left + roll.width * random.range(0.52, 0.6);
    for (let i = 0; i < rows.length; i += 2) {
      const second = rows[i + 1];
      const cells = [
        { content: glue(rows[i]!.label, rows[i]!.value), x: roll.left, room: middle - roll.left - roll.style.size },
      ];
      if (second) cells.push({ content: glue(second.label, second.value), x: middle, room: roll.right - middle });
      roll.row(cells);
    }
    return;
  }
  const tab = roll.left + roll.width * random.range(0.26, 0.36);
  for (const { label, value } of rows) {
    if (layout === "inline") roll.row([{ content: glue(label, value), x: roll.left }]);
    else if (layout === "ends")
      roll.row([
        { content: label, x: roll.left, room: roll.width * 0.4 },
        { content: value, x: roll.right, align: "right", room: roll.width * 0.56 },
      ]);
    else {
      roll.row([
        { content: label, x: roll.left, room: tab - roll.left - roll.style.size * 0.3 },
        { content: random.chance(0.7) ? [": ", ...(typeof value === "string" ? [value] : value)] : value, x: tab },
      ]);
    }
  }
}

function items(roll: Roll, random: Random, inventor: Inventor, basket: Basket): void {
  const { receipt } = inventor.words;
  const layout = random.weighted<"columns" | "two rows" | "simple" | "coded">([
    ["columns", 4],
    ["two rows", 3],
    ["simple", 3],
    ["coded", 2],
  ]);
  const code = random.chance(0.3) ? ` ${random.pick(["SR", "ZRL", "A", "B", "T"])}` : "";
  const amount = (cents: number): string => inventor.money(cents) + code;
  const at = (share: number): number => roll.left + roll.width * share;
  const headed = random.chance(0.75);
  if (layout === "columns") {
    const [q, p] = [at(random.range(0.5, 0.58)), at(random.range(0.74, 0.8))];
    if (headed) {
      roll.row(
        [
          { content: random.pick(receipt.item), x: roll.left, room: roll.width * 0.42 },
          { content: random.pick(receipt.quantity), x: q, align: "right", room: roll.width * 0.13 },
          { content: random.pick(receipt.price), x: p, align: "right", room: roll.width * 0.18 },
          { content: random.pick(receipt.amount), x: roll.right, align: "right", room: roll.width * 0.18 },
        ],
        random.chance(0.5) ? roll.bold : roll.style,
      );
      if (random.chance(0.5)) roll.rule("solid");
    }
    for (const item of basket.items) {
      roll.row([
        { content: item.name, x: roll.left, room: roll.width * 0.43 },
        { content: String(item.quantity), x: q, align: "right" },
        { content: inventor.money(item.unitPrice), x: p, align: "right" },
        { content: amount(item.amount), x: roll.right, align: "right" },
      ]);
    }
    return;
  }
  if (headed && layout !== "two rows") {
    roll.row(
      [
        { content: random.pick(receipt.item), x: roll.left, room: roll.width * 0.6 },
        { content: random.pick(receipt.amount), x: roll.right, align: "right", room: roll.width * 0.3 },
      ],
      random.chance(0.5) ? roll.bold : roll.style,
    );
  }
  for (const item of basket.items) {
    const times = random.chance(0.5) ? "x" : "@";
    if (layout === "two rows") {
      roll.row([{ content: item.name, x: roll.left }]);
      roll.row([
        { content: `${item.quantity} ${times} ${inventor.money(item.unitPrice)}`, x: at(0.08), room: roll.width * 0.5 },
        { content: amount(item.amount), x: roll.right, align: "right", room: roll.width * 0.38 },
      ]);
    } else if (layout === "coded") {
      roll.row([{ content: `${item.code} ${item.name}`, x: roll.left }]);
      roll.row([
        { content: String(item.quantity), x: at(0.2), align: "right", room: roll.width * 0.18 },
        { content: inventor.money(item.unitPrice), x: at(0.55), align: "right", room: roll.width * 0.3 },
        { content: amount(item.amount), x: roll.right, align: "right", room: roll.width * 0.38 },
      ]);
    } else {
      roll.row([
        { content: `${item.quantity} ${item.name}`, x: roll.left, room: roll.width * 0.68 },
        { content: amount(item.amount), x: roll.right, align: "right", room: roll.width * 0.28 },
      ]);
    }
  }
}

/** Returns the box around the printed total. */
function totals(
  roll: Roll,
  random: Random,
  inventor: Inventor,
  basket: Basket,
  fields: Fields,
  decorations: boolean,
): [number, number, number, number] {
  const { receipt } = inventor.words;
  const withCurrency = random.chance(0.4);
  const money = (cents: number): string => (withCurrency ? inventor.price(cents) : inventor.money(cents));
  const labelsRight = random.chance(0.4);
  const edge = roll.left + roll.width * random.range(0.6, 0.68);
  const colon = random.pick(["", ":", " :"]);
  const pair = (label: string, cents: number, style = roll.style): [number, number] => {
    const text = `${label}${colon}`;
    const cells = labelsRight
      ? [
          { content: text, x: edge, align: "right" as const, room: edge - roll.left },
          {
            content: money(cents),
            x: roll.right,
            align: "right" as const,
            room: roll.right - edge - roll.style.size * 0.5,
          },
        ]
      : [
          { content: text, x: roll.left, room: roll.width * 0.6 },
          { content: money(cents), x: roll.right, align: "right" as const, room: roll.width * 0.38 },
        ];
    return roll.row(cells, style)[1]!;
  };
  if (random.chance(0.35))
    roll.row([
      {
        content: `${random.pick(receipt.itemCount)}: ${basket.items.reduce((n, item) => n + item.quantity, 0)}`,
        x: roll.left,
      },
    ]);
  const taxLabel = `${random.pick(receipt.tax)} ${basket.taxRate}${random.chance(0.5) ? "%" : " %"}`;
  if (!basket.taxIncluded || basket.discount > 0 || random.chance(0.5))
    pair(random.pick(receipt.subtotal), basket.subtotal);
  if (basket.discount > 0) pair(random.pick(receipt.discount), -basket.discount);
  if (!basket.taxIncluded) pair(taxLabel, basket.tax);
  if (basket.rounding !== 0 || (inventor.country === "MY" && random.chance(0.5)))
    pair(random.pick(receipt.rounding), basket.rounding);
  const strong = random.weighted<InkStyle>([
    [roll.bold, 3],
    [scaleStyle(roll.bold, random.range(1.15, 1.6)), 3],
    [{ ...roll.bold, tall: roll.style.dots === undefined ? 1.6 : 2 }, 1],
    [roll.style, 2],
    [{ ...roll.bold, colour: [255, 255, 255] }, decorations ? 0.4 : 0],
  ]);
  const [left, right] = pair(random.pick(receipt.total), basket.total, strong);
  fields["total"] = money(basket.total);
  const box: [number, number, number, number] = [left, roll.y - strong.size * 0.75 * (strong.tall ?? 1), right, roll.y];
  if (basket.taxIncluded && random.chance(0.4)) pair(taxLabel, basket.tax);
  return box;
}

function payment(roll: Roll, random: Random, inventor: Inventor, basket: Basket, fields: Fields): void {
  const { receipt } = inventor.words;
  const pair = (label: string, value: Content): void => {
    roll.row([
      { content: label, x: roll.left, room: roll.width * 0.45 },
      { content: value, x: roll.right, align: "right", room: roll.width * 0.52 },
    ]);
  };
  if (random.chance(0.35)) {
    const card = inventor.card();
    pair(random.pick(receipt.card), inventor.money(basket.total));
    const masked = random.chance(0.55);
    const tail = card.replace(/\D/g, "").slice(-4);
    roll.row([
      {
        content: masked
          ? `${random.pick(["************", "XXXX XXXX XXXX ", "**** **** **** "])}${tail}`
          : [{ text: card, entity: "card" }],
        x: roll.left,
      },
    ]);
    if (!masked) fields["card"] = card;
    if (random.chance(0.5))
      roll.row([{ content: `${random.pick(["AUTH", "Appr. code", "AID"])} ${random.digits(6)}`, x: roll.left }]);
  } else if (random.chance(0.85)) {
    const step = random.pick([500, 1000, 5000]);
    const given = Math.max(basket.total, Math.ceil(basket.total / step) * step);
    pair(random.pick(receipt.cash), inventor.money(given));
    pair(random.pick(receipt.change), inventor.money(given - basket.total));
  }
}

function taxTable(roll: Roll, random: Random, inventor: Inventor, basket: Basket): void {
  const { receipt } = inventor.words;
  roll.gap(0.5);
  const top = roll.y + roll.leading * 0.2;
  const inset = roll.style.size * 0.4;
  const xs = [roll.left + inset, roll.left + roll.width * 0.62, roll.right - inset];
  const row = (cells: readonly string[], style: InkStyle): void => {
    roll.row(
      cells.map((content, i) => ({
        content,
        x: xs[i]!,
        align: i === 0 ? ("left" as const) : ("right" as const),
        room: roll.width * 0.32,
      })),
      style,
    );
  };
  row([random.pick(receipt.tax), random.pick(receipt.net), random.pick(receipt.amount)], roll.bold);
  row(
    [`${random.chance(0.4) ? "SR = " : ""}${basket.taxRate}%`, inventor.money(basket.net), inventor.money(basket.tax)],
    roll.style,
  );
  if (random.chance(0.5)) {
    const bottom = roll.y + roll.leading * 0.4;
    roll.sheet.rect(roll.left, top, roll.right, bottom, {
      stroke: roll.style.colour,
      width: Math.max(1, roll.style.size * 0.06),
    });
    roll.y = bottom;
  }
}

function foot(roll: Roll, random: Random, inventor: Inventor, fields: Fields, decorations: boolean): void {
  const { receipt } = inventor.words;
  roll.gap(0.3);
  const parts = random.shuffled(receipt.notes).slice(0, random.int(0, 2));
  for (const note of parts) roll.block(note, "center", random.chance(0.2) ? scaleStyle(roll.style, 0.85) : roll.style);
  roll.block(random.pick(receipt.thanks), "center", random.chance(0.3) ? roll.bold : roll.style);
  if (random.chance(0.25))
    roll.block([{ text: inventor.url(fields["company"]!.toLowerCase()), entity: "url" }], "center");
  if (!decorations || random.chance(0.55)) return;
  roll.gap(0.8);
  if (random.chance(0.7)) {
    const width = roll.width * random.range(0.45, 0.8);
    const height = roll.style.size * random.range(1.8, 3.4);
    barcode(roll.sheet, random, (roll.left + roll.right - width) / 2, roll.y, width, height);
    roll.y += height;
    if (random.chance(0.7))
      roll.row(
        [{ content: random.digits(12), x: (roll.left + roll.right) / 2, align: "center" }],
        scaleStyle(roll.style, 0.85),
      );
  } else {
    const size = roll.width * random.range(0.25, 0.4);
    matrixCode(roll.sheet, random, (roll.left + roll.right - size) / 2, roll.y, size);
    roll.y += size;
  }
}

function stapleOrNote(sheet: Sheet, random: Random, roll: Roll, width: number): void {
  if (random.chance(0.25)) {
    // A number written (or typed by the archive) above the head.
    roll.y += roll.style.size * 1.6;
    const hand = random.chance(0.75);
    const face = pickTypeface(random, [[hand ? "handwriting" : "sans", 1]]);
    const text = random.chance(0.6) ? random.digits(random.int(4, 7)) : `${random.int(1, 28)}/${random.int(1, 12)}`;
    sheet.line(
      text,
      random.range(roll.left, width * 0.6),
      roll.y - roll.style.size * 0.4,
      { face: face.regular, size: roll.style.size * (hand ? 1.7 : 1.2), colour: hand ? penColour(random) : black },
      { turn: hand ? random.normal(0, 0.05) : 0 },
    );
    roll.y += roll.style.size * 0.6;
  }
  if (random.chance(0.3))
    stapleHoles(sheet, random, random.range(width * 0.3, width * 0.7), Math.max(8, roll.y - roll.style.size));
}

function scrawl(
  sheet: Sheet,
  random: Random,
  total: [number, number, number, number],
  width: number,
  height: number,
  face: Typeface,
): void {
  const pen = penColour(random);
  if (random.chance(0.1)) penRing(sheet, random, ...total, pen);
  if (random.chance(0.12))
    stamp(
      sheet,
      random,
      random.range(width * 0.3, width * 0.7),
      random.range(height * 0.15, height * 0.85),
      random.range(0.035, 0.06) * width,
      `${random.int(1, 28)} ${random.pick(["JAN", "FEB", "MAR", "APR", "JUN", "JUL", "AUG", "SEP", "OCT", "DEC"])} ${random.int(2012, 2025)}`,
      face,
    );
  if (random.chance(0.08))
    scribble(
      sheet,
      random,
      random.range(width * 0.1, width * 0.5),
      random.range(height * 0.7, height * 0.93),
      width * 0.3,
      width * 0.09,
      pen,
      random.range(1.2, 2.6),
    );
  if (random.chance(0.04)) cupRing(sheet, random, random.range(0, width), random.range(0, height), width * 0.18);
  if (random.chance(0.5)) dust(sheet, random, width, height, face.category === "mono" ? 1 : 0.7);
}
