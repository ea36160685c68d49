/** Invoices: letterhead, addressee, a table of what was sold, totals, bank details. */
import { type Basket, fillBasket } from "../basket.ts";
import type { Draft, DraftContext } from "../draft.ts";
import type { Inventor } from "../inventor.ts";
import { markLines } from "../marks.ts";
import { addressBlock, contactLines, footer, inventSender, OfficePage, type Sender, tagged } from "../office-page.ts";
import { logo, matrixCode, penColour, scribble, stamp, tint } from "../ornaments.ts";
import { type Content, contentText, fitStyle, type InkStyle, type Rgb, textWidth } from "../sheet.ts";

type Random = DraftContext["random"];
type Fields = Record<string, string>;
const white: Rgb = [255, 255, 255];
const taxRates: Readonly<Record<string, readonly number[]>> = {
  US: [0, 7, 8],
  GB: [20],
  MY: [6],
  DE: [19],
  FR: [20],
  ES: [21],
  IT: [22],
  NL: [21],
};

export function draftInvoice(context: DraftContext): Draft {
  const { random, inventor, decorations } = context;
  const page = new OfficePage(context, [
    ["sans", 5],
    ["serif", 2],
    ["condensed", 2],
    ["mono", 1],
    ["typewriter", 0.5],
  ]);
  const sender = inventSender(random, inventor);
  const fields: Fields = { company: sender.company, phone: sender.phone, email: sender.email };
  let y = letterhead(page, random, inventor, sender, decorations);
  const invoice = inventor.words.invoice;
  const customer = random.chance(0.6) ? inventor.company() : undefined;
  const person = customer === undefined || random.chance(0.5) ? inventor.person() : undefined;
  const place = inventor.place();
  const block = addressBlock({
    place,
    ...(customer === undefined ? {} : { company: customer }),
    ...(person === undefined ? {} : { person }),
  });
  fields["customer"] = customer ?? person!.full;
  fields["customerAddress"] = place.lines.join(" ");
  const half = (page.right - page.left) * 0.48;

  y += page.leading * random.range(1, 3);
  const top = y;
  if (["DE", "NL"].includes(inventor.country) && random.chance(0.6)) {
    // The sender in one small line above the window of the envelope.
    page.lines(
      [
        [
          { text: sender.company, entity: "company" },
          " · ",
          { text: sender.place.lines.join(" · "), entity: "address" },
        ],
      ],
      page.left,
      y - page.leading * 0.4,
      page.small(0.68),
      { room: half },
    );
    y += page.leading * 0.6;
  } else if (random.chance(0.75))
    y = page.lines(
      [random.pick(invoice.billTo)],
      page.left,
      y,
      random.chance(0.5) ? { ...page.bold(), colour: page.accent } : page.small(),
      { room: half },
    );
  const leftEnd = page.lines(block, page.left, y, page.body, { room: half });

  const number = random.weighted([
    [`${random.int(2015, 2025)}-${random.digits(4)}`, 3],
    [random.digits(random.int(5, 8)), 3],
    [`${random.pick(["INV", "RE", "F", "A"])}-${random.digits(5)}`, 3],
  ]);
  const date = inventor.date();
  fields["invoiceNumber"] = number;
  fields["date"] = inventor.dateText(date);
  const rightEnd = meta(page, random, inventor, number, fields, top);
  y = Math.max(leftEnd, rightEnd) + page.leading * random.range(0.8, 2);

  if (random.chance(0.15)) {
    const shipTo = addressBlock({ place: inventor.place(), person: inventor.person() });
    y = page.lines([random.pick(invoice.shipTo), ...shipTo], page.left, y, page.body, { room: half }) + page.leading;
  }
  const title = random.pick(invoice.titles) + (random.chance(0.3) ? ` ${number}` : "");
  const titleStyle = {
    ...page.bold(random.range(1.3, 2.4)),
    colour: random.chance(0.5) ? page.accent : page.body.colour,
  };
  y = page.lines([title], page.left, y + titleStyle.size * 0.5, titleStyle) + page.leading * random.range(0, 0.8);

  const bottom = page.height - 62 * page.mm;
  const basket = fillBasket(random, {
    names: invoice.services,
    count: Math.max(
      1,
      Math.min(
        random.weighted([
          [random.int(1, 4), 4],
          [random.int(4, 9), 4],
          [random.int(9, 16), 1],
        ]),
        Math.floor((bottom - y - page.leading * 7) / (page.leading * 1.5)),
      ),
    ),
    prices: [900, 190_000],
    quantities: [1, 12],
    taxRates: taxRates[inventor.country] ?? [20],
    taxIncluded: false,
    round: false,
  });
  y = table(page, random, inventor, basket, y);
  y = totals(page, random, inventor, basket, fields, y);
  y = terms(page, random, inventor, sender, fields, y, number);
  if (decorations) marks(page, random, inventor, y);
  if (random.chance(0.75)) footer(page, random, inventor, sender, decorations && random.chance(0.7));
  if (decorations) {
    page.wear(random);
    markLines(page.sheet, random.fork("marks"), {
      width: page.width,
      height: page.height,
      underlines: 0.25,
      frames: 0.2,
      highlighter: 0.08,
      ground: 0.08,
    });
  }
  return { sheet: page.sheet, width: page.width, height: page.height, paper: "office", fields };
}

/** The firm at the head of the page. Returns the y below it. */
export function letterhead(
  page: OfficePage,
  random: Random,
  inventor: Inventor,
  sender: Sender,
  decorations: boolean,
): number {
  const { sheet, left, right, mm } = page;
  const top = random.range(12, 20) * mm;
  const name: InkStyle = { ...page.bold(random.range(1.5, 2.4)), colour: page.accent };
  const kind = random.weighted<"logo left" | "logo right" | "centred" | "band" | "plain">([
    ["logo left", 4],
    ["logo right", 2],
    ["centred", 2],
    ["band", decorations ? 2 : 0],
    ["plain", 1.5],
  ]);
  const address = sender.place.lines.map((line): Content => tagged(line, "address"));
  const contact = contactLines(random, inventor, sender);
  const small = page.small(random.range(0.78, 0.95));
  if (kind === "band") {
    const height = random.range(18, 28) * mm;
    sheet.rect(0, 0, page.width, height, { fill: page.accent });
    const onBand = { ...name, colour: white };
    sheet.line(
      tagged(sender.company, "company"),
      left,
      height * 0.62,
      fitStyle(sender.company, onBand, (right - left) * 0.6),
    );
    return page.lines([...address, ...contact], right, height + page.leading, small, {
      align: "right",
      room: (right - left) * 0.5,
    });
  }
  if (kind === "centred") {
    const middle = (left + right) / 2;
    let y = page.lines([tagged(sender.company, "company")], middle, top + name.size * 0.8, name, { align: "center" });
    const line: Content = [{ text: sender.place.lines.join(", "), entity: "address" }];
    y = page.lines(
      [line, [{ text: sender.phone, entity: "phone" }, " | ", { text: sender.email, entity: "email" }]],
      middle,
      y - name.size * 0.3,
      small,
      { align: "center" },
    );
    if (decorations)
      sheet.rule(left, y - small.size * 0.4, right, y - small.size * 0.4, page.accent, Math.max(1, 0.3 * mm));
    return y + page.leading;
  }
  const size = random.range(12, 20) * mm;
  const withLogo = decorations && kind !== "plain";
  if (kind === "logo right") {
    if (withLogo) logo(sheet, random, right - size, top, size, sender.company, page.accent, page.face);
    const y = page.lines([tagged(sender.company, "company")], left, top + name.size * 0.8, name, {
      room: (right - left) * 0.65,
    });
    return (
      Math.max(
        top + size,
        page.lines([...address, ...contact], left, y - name.size * 0.2, small, { room: (right - left) * 0.6 }),
      ) + page.leading
    );
  }
  const start = withLogo ? logo(sheet, random, left, top, size, sender.company, page.accent, page.face) + 5 * mm : left;
  page.lines([tagged(sender.company, "company")], start, top + size * 0.5 + name.size * 0.35, name, {
    room: (right - left) * 0.45,
  });
  return (
    Math.max(
      top + size,
      page.lines([...address, ...contact], right, top + small.size, small, {
        align: "right",
        room: (right - left) * 0.36,
      }),
    ) + page.leading
  );
}

/** Number, dates and references on the right. Returns the baseline below. */
function meta(page: OfficePage, random: Random, inventor: Inventor, number: string, fields: Fields, y: number): number {
  const { invoice } = inventor.words;
  const rows: [string, Content][] = [
    [random.pick(invoice.number), number],
    [random.pick(invoice.date), tagged(fields["date"]!, "date")],
  ];
  if (random.chance(0.6))
    rows.push([random.pick(invoice.due), tagged(inventor.dateText(inventor.date(2015, 2025)), "date")]);
  if (random.chance(0.6)) {
    const id = random.chance(0.5) ? random.digits(5) : `K${random.digits(6)}`;
    rows.push([random.pick(invoice.customerNumber), tagged(id, "id_number")]);
    fields["customerNumber"] = id;
  }
  if (random.chance(0.35)) rows.push([random.pick(invoice.orderNumber), random.digits(7)]);
  if (random.chance(0.35)) {
    const person = inventor.person();
    rows.push([random.pick(invoice.contact), tagged(person.full, "person")]);
    fields["contact"] = person.full;
  }
  const colon = random.pick([":", "", ":"]);
  const span = page.right - page.left;
  const x = page.left + span * random.range(0.54, 0.6);
  const aligned = random.chance(0.5);
  for (const [label, value] of rows) {
    page.lines([label + colon], x, y, random.chance(0.3) ? page.bold() : page.body, { room: span * 0.2 });
    page.lines([value], aligned ? page.right : x + span * 0.22, y, page.body, {
      align: aligned ? "right" : "left",
      room: span * 0.19,
    });
    y += page.leading;
  }
  return y;
}

/** The table. Returns the y below it. */
function table(page: OfficePage, random: Random, inventor: Inventor, basket: Basket, y: number): number {
  const { invoice, receipt } = inventor.words;
  const { sheet, left, right, mm } = page;
  const span = right - left;
  const look = random.weighted<"ruled" | "filled head" | "zebra" | "grid" | "open">([
    ["ruled", 3],
    ["filled head", 3],
    ["zebra", 2],
    ["grid", 1.5],
    ["open", 1],
  ]);
  const rowHeight = page.leading * random.range(1.15, 1.6);
  const pad = 2 * mm;
  const withPosition = random.chance(0.6);
  const withUnit = random.chance(0.25);
  const edges = [
    left,
    left + (withPosition ? span * 0.08 : 0),
    left + span * 0.56,
    left + span * 0.66,
    left + span * 0.83,
    right,
  ];
  const line = (at: number, width: number, colour: Rgb = page.body.colour): void =>
    sheet.rule(left, at, right, at, colour, width);
  const cell = (content: Content, column: number, baseline: number, style: InkStyle): void => {
    const [from, to] = [edges[column]!, edges[column + 1]!];
    if (to - from < 2 * pad) return;
    const fitted = fitStyle(content, style, to - from - pad * 1.5);
    if (column >= 2) sheet.line(content, to - pad, baseline, fitted, { align: "right" });
    else sheet.line(content, from + (withPosition && column === 0 ? pad : pad), baseline, fitted);
  };
  const filled = look === "filled head" || look === "zebra";
  const headStyle: InkStyle = { ...page.bold(random.range(0.85, 1)), colour: filled ? white : page.body.colour };
  if (filled) sheet.rect(left, y, right, y + rowHeight, { fill: page.accent });
  else if (look !== "open") line(y, Math.max(1, 0.25 * mm));
  const base = (row: number): number => y + row * rowHeight + rowHeight / 2 + page.body.size * 0.35;
  cell(random.pick(invoice.position), 0, base(0), headStyle);
  cell(random.pick(invoice.description), 1, base(0), headStyle);
  cell(random.pick(receipt.quantity), 2, base(0), headStyle);
  cell(random.pick(receipt.price), 3, base(0), headStyle);
  cell(random.pick(receipt.amount), 4, base(0), headStyle);
  if (!filled) line(y + rowHeight, Math.max(1, 0.25 * mm));
  basket.items.forEach((item, i) => {
    if (look === "zebra" && i % 2 === 1)
      sheet.rect(left, y + (i + 1) * rowHeight, right, y + (i + 2) * rowHeight, { fill: tint(page.accent, 0.1) });
    cell(String(i + 1), 0, base(i + 1), page.body);
    cell(item.name, 1, base(i + 1), page.body);
    cell(
      withUnit ? `${item.quantity} ${random.pick(["h", "pcs", "x"])}` : String(item.quantity),
      2,
      base(i + 1),
      page.body,
    );
    cell(inventor.money(item.unitPrice), 3, base(i + 1), page.body);
    cell(inventor.money(item.amount), 4, base(i + 1), page.body);
    if (look === "grid") line(y + (i + 2) * rowHeight, 1);
  });
  const bottom = y + (basket.items.length + 1) * rowHeight;
  if (look !== "open" && look !== "grid") line(bottom, Math.max(1, 0.25 * mm));
  if (look === "grid") for (const x of new Set(edges)) sheet.rule(x, y, x, bottom, page.body.colour, 1);
  return bottom;
}

function totals(
  page: OfficePage,
  random: Random,
  inventor: Inventor,
  basket: Basket,
  fields: Fields,
  y: number,
): number {
  const { receipt } = inventor.words;
  const { right, sheet, mm } = page;
  const rows: [string, string, InkStyle][] = [
    [random.pick(receipt.subtotal), inventor.price(basket.subtotal), page.body],
  ];
  if (basket.discount > 0) rows.push([random.pick(receipt.discount), inventor.price(-basket.discount), page.body]);
  if (basket.taxRate > 0)
    rows.push([`${random.pick(receipt.tax)} ${basket.taxRate} %`, inventor.price(basket.tax), page.body]);
  const total = inventor.price(basket.total);
  rows.push([random.pick(receipt.total), total, page.bold(random.range(1, 1.35))]);
  fields["total"] = total;
  fields["tax"] = inventor.price(basket.tax);
  const x = page.left + (right - page.left) * random.range(0.56, 0.64);
  y += page.leading * random.range(0.6, 1.2);
  rows.forEach(([label, value, style], i) => {
    y += (page.leading * 1.1 * style.size) / page.body.size;
    if (i === rows.length - 1 && random.chance(0.6))
      sheet.rule(x, y - style.size, right, y - style.size, page.body.colour, Math.max(1, 0.25 * mm));
    page.lines([label], x, y, style, { room: (right - x) * 0.55 });
    page.lines([value], right - 2 * mm, y, style, { align: "right", room: (right - x) * 0.44 });
  });
  return y + page.leading;
}

function terms(
  page: OfficePage,
  random: Random,
  inventor: Inventor,
  sender: Sender,
  fields: Fields,
  y: number,
  number: string,
): number {
  const { invoice } = inventor.words;
  const room = (page.right - page.left) * random.range(0.6, 1);
  y += page.leading * random.range(0.4, 1.2);
  for (const sentence of random.shuffled(invoice.terms).slice(0, random.int(1, 2)))
    y = page.paragraph(sentence, page.left, y, room);
  if (random.chance(inventor.currencyFirst ? 0.35 : 0.75)) {
    y += page.leading * 0.4;
    const rows: Content[] = [
      `${random.pick(invoice.bank)}: ${sender.bank}`,
      [`${random.pick(invoice.holder)}: `, { text: sender.company, entity: "company" }],
      [random.pick(["IBAN: ", "IBAN "]), { text: sender.iban, entity: "iban" }],
      `BIC: ${sender.bic}`,
      `${random.pick(invoice.reference)}: ${number}`,
    ];
    fields["iban"] = sender.iban;
    y = page.lines(
      rows.filter((row) => contentText(row).includes("IBAN") || random.chance(0.75)),
      page.left,
      y,
      random.chance(0.5) ? page.body : page.small(0.9),
      { room },
    );
  }
  return y;
}

function marks(page: OfficePage, random: Random, inventor: Inventor, y: number): void {
  const { sheet, left, right, mm } = page;
  const limit = page.height - 45 * mm;
  if (random.chance(0.3))
    stamp(
      sheet,
      random,
      random.range(left + 30 * mm, right - 30 * mm),
      random.range(page.height * 0.35, page.height * 0.75),
      random.range(5, 9) * mm,
      random.pick(inventor.words.invoice.stamps),
      page.face,
    );
  if (random.chance(0.25) && y < limit)
    scribble(
      sheet,
      random,
      random.range(left, right - 60 * mm),
      y + 6 * mm,
      random.range(25, 45) * mm,
      9 * mm,
      penColour(random),
      0.35 * mm,
    );
  if (random.chance(0.15) && y < limit - 20 * mm) matrixCode(sheet, random, right - 24 * mm, y, 22 * mm);
  if (random.chance(0.12)) {
    const note = random.pick(["ok", "✓", inventor.dateText(inventor.date()), random.digits(4)]).replace("✓", "V");
    const style = { face: page.face.italic, size: 5 * mm, colour: penColour(random) };
    sheet.line(
      note,
      Math.min(right - textWidth(note, style), random.range(left, right)),
      random.range(page.height * 0.3, page.height * 0.6),
      style,
      { turn: random.normal(0, 0.05) },
    );
  }
}
