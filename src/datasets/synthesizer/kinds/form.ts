/** Forms: printed labels, fields as lines, boxes or combs, filled in by hand, by typewriter or by machine. */
import type { EntityType } from "../../../detection/entity.ts";
import { type Draft, type DraftContext, upper } from "../draft.ts";
import type { Inventor } from "../inventor.ts";
import { markLines } from "../marks.ts";
import { OfficePage } from "../office-page.ts";
import { barcode, black, logo, penColour, scribble, stamp, tint } from "../ornaments.ts";
import { contentText, fitStyle, type InkStyle, type Rgb, textWidth as widthOf, wrap } from "../sheet.ts";
import { pickTypeface } from "../typefaces.ts";

type Random = DraftContext["random"];

interface Entry {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly entity?: EntityType;
  /** Share of the row, 1 … 3 (thirds). */
  readonly share: 1 | 2 | 3;
}

interface Section {
  readonly title: string;
  readonly entries: readonly Entry[];
}

type Filled = (text: string) => { readonly text: string; readonly style: InkStyle; readonly lift: number };

/** What every part of the form is drawn with. */
interface FormSheet {
  readonly page: OfficePage;
  readonly random: Random;
  readonly inventor: Inventor;
  readonly decorations: boolean;
  /** A value as the person wrote it. */
  readonly filled: Filled;
  /** Name of a field → its text. */
  readonly fields: Record<string, string>;
}

export function draftForm(context: DraftContext): Draft {
  const { random, inventor, decorations } = context;
  const page = new OfficePage(context, [
    ["sans", 5],
    ["typewriter", 2],
    ["mono", 1],
    ["condensed", 2],
    ["serif", 1],
  ]);
  const { sheet, left, right, mm } = page;
  const fields: Record<string, string> = {};
  const organisation = inventor.company();
  fields["company"] = organisation;
  let y = random.range(14, 22) * mm;
  const title = random.pick(inventor.words.form.titles);
  const start =
    decorations && random.chance(0.5)
      ? logo(sheet, random, left, y, 14 * mm, organisation, page.accent, page.face) + 5 * mm
      : left;
  const head = random.chance(0.5);
  page.lines([[{ text: organisation, entity: "company" as const }]], start, y + 5 * mm, page.bold(1.1), {
    room: (right - start) * 0.6,
  });
  if (random.chance(0.6))
    page.lines(
      [`${random.pick(["Form", "Nr.", "No.", "F"])} ${random.digits(3)}-${random.pick([..."ABCDE"])}`],
      right,
      y + 4 * mm,
      page.small(0.8),
      { align: "right", room: 40 * mm },
    );
  y += 20 * mm;
  const titleStyle = page.bold(random.range(1.4, 2));
  y = page.lines([title], head ? (left + right) / 2 : left, y, titleStyle, { align: head ? "center" : "left" });
  y += page.leading * 0.4;

  const filled = fillingStyle(random, page);
  const form: FormSheet = { page, random, inventor, decorations, filled, fields };
  const look = random.weighted<"line" | "box" | "comb" | "shaded" | "bare">([
    ["line", 4],
    ["box", 4],
    ["comb", decorations ? 1.2 : 0],
    ["shaded", 1.5],
    ["bare", 0.8],
  ]);
  const labelAbove = look !== "line" || random.chance(0.3);
  const written = filled("x").style.size;
  const rowHeight =
    (labelAbove ? page.body.size * 1.5 + written * 1.05 : Math.max(written, page.body.size) * 1.35) +
    page.body.size * random.range(0.1, 0.7);
  for (const section of random
    .shuffled(sections(random, inventor))
    .slice(0, random.int(2, 6))
    .sort((a, b) => a.order - b.order)) {
    const needed = rowHeight * (section.entries.length + 2);
    if (y + needed > page.height - 60 * mm) break;
    y = sectionHead(form, section.title, y);
    y = entriesOf(form, section, y, { look: decorations ? look : "bare", labelAbove, rowHeight });
    y += page.leading * 0.5;
  }
  y = questions(form, y);
  if (random.chance(0.45)) y = remarks(form, y);
  y = declaration(form, y);
  if (decorations) {
    if (random.chance(0.35)) barcode(sheet, random, right - 45 * mm, page.height - 24 * mm, 42 * mm, 10 * mm);
    if (random.chance(0.3))
      stamp(
        sheet,
        random,
        random.range(left + 30 * mm, right - 30 * mm),
        page.height - 45 * mm,
        random.range(4, 7) * mm,
        random.pick(inventor.words.invoice.stamps),
        page.face,
      );
    if (random.chance(0.25))
      sheet.line(
        random.digits(8),
        right,
        page.height - 28 * mm,
        { ...page.bold(1.2), colour: black },
        { align: "right" },
      );
    page.wear(random);
    markLines(sheet, random.fork("marks"), {
      width: page.width,
      height: page.height,
      underlines: 0.5,
      frames: 0.35,
      highlighter: 0.08,
      ground: 0.08,
    });
  }
  return { sheet, width: page.width, height: page.height, paper: "office", fields };
}

/** How the person filled it in: by hand mostly. */
function fillingStyle(random: Random, page: OfficePage): Filled {
  const way = random.weighted<"hand" | "type" | "print">([
    ["hand", 6],
    ["type", 3],
    ["print", 3],
  ]);
  const face = pickTypeface(
    random,
    way === "hand"
      ? [["handwriting", 1]]
      : way === "type"
        ? [
            ["typewriter", 3],
            ["mono", 1],
          ]
        : [
            ["sans", 2],
            ["serif", 1],
            ["mono", 1],
          ],
  );
  const colour: Rgb = way === "hand" ? penColour(random) : way === "type" ? [30, 30, 36] : [12, 12, 14];
  const capitals = random.chance(way === "hand" ? 0.3 : 0.2);
  const base = {
    face: way === "hand" && random.chance(0.4) ? face.bold : face.regular,
    size: page.body.size * (way === "hand" ? random.range(1.5, 1.9) : random.range(0.98, 1.12)),
    colour,
    bleed: way === "print" ? 0 : page.body.size * random.range(0.01, way === "hand" ? 0.05 : 0.03),
  };
  return (text) => ({
    text: capitals ? upper(text) : text,
    style:
      way === "hand" ? { ...base, size: base.size * random.range(0.93, 1.07), stretch: random.range(0.92, 1.1) } : base,
    lift:
      way === "hand"
        ? random.normal(0, page.body.size * 0.08)
        : way === "type"
          ? random.normal(0, page.body.size * 0.04)
          : 0,
  });
}

function sections(random: Random, inventor: Inventor): (Section & { order: number })[] {
  const { form } = inventor.words;
  const person = inventor.person();
  const place = inventor.place();
  const company = inventor.company();
  const date = (first: number, last: number): string => inventor.dateText(inventor.date(first, last));
  const all = (entries: readonly (Entry & { chance?: number })[]): Entry[] =>
    entries.filter((entry) => random.chance(entry.chance ?? 1));
  return [
    {
      order: 0,
      title: form.sections.person,
      entries: all([
        { name: "surname", label: form.surname, value: person.last, entity: "person", share: 2 },
        { name: "givenNames", label: form.givenNames, value: person.first, entity: "person", share: 1 },
        { name: "birthDate", label: form.birthDate, value: date(1935, 2007), entity: "birth_date", share: 1 },
        {
          name: "birthPlace",
          label: form.birthPlace,
          value: inventor.place().town,
          entity: "address",
          share: 2,
          chance: 0.6,
        },
        { name: "nationality", label: form.nationality, value: random.pick(form.nationalities), share: 1, chance: 0.5 },
        {
          name: "maritalStatus",
          label: form.maritalStatus,
          value: random.pick(form.maritalStatuses),
          share: 1,
          chance: 0.4,
        },
        {
          name: "idNumber",
          label: form.idNumber,
          value: inventor.idNumber(),
          entity: "id_number",
          share: 1,
          chance: 0.6,
        },
        { name: "taxNumber", label: form.taxNumber, value: inventor.taxId(), entity: "tax_id", share: 2, chance: 0.4 },
      ]),
    },
    {
      order: 1,
      title: form.sections.contact,
      entries: all([
        { name: "street", label: form.street, value: place.street, entity: "address", share: 2 },
        { name: "city", label: form.city, value: place.townLine, entity: "address", share: 1 },
        { name: "phone", label: form.phone, value: inventor.phone(), entity: "phone", share: 1, chance: 0.85 },
        { name: "email", label: form.email, value: inventor.email(person), entity: "email", share: 2, chance: 0.8 },
      ]),
    },
    {
      order: 2,
      title: form.sections.work,
      entries: all([
        { name: "occupation", label: form.occupation, value: random.pick(form.occupations), share: 1 },
        { name: "employer", label: form.employer, value: company, entity: "company", share: 2 },
        {
          name: "employerCity",
          label: form.city,
          value: inventor.place().townLine,
          entity: "address",
          share: 2,
          chance: 0.5,
        },
        { name: "employerPhone", label: form.phone, value: inventor.phone(), entity: "phone", share: 1, chance: 0.5 },
      ]),
    },
    {
      order: 4,
      title: `${form.sections.person} (2)`,
      entries: all([
        { name: "surname2", label: form.surname, value: person.last, entity: "person", share: 1 },
        { name: "givenNames2", label: form.givenNames, value: inventor.person().first, entity: "person", share: 1 },
        { name: "birthDate2", label: form.birthDate, value: date(1960, 2020), entity: "birth_date", share: 1 },
      ]),
    },
    {
      order: 5,
      title: form.official,
      entries: all([
        {
          name: "file",
          label: inventor.words.letter.ourReference[0]!,
          value: random.digits(6),
          entity: "id_number",
          share: 1,
        },
        { name: "received", label: inventor.words.invoice.date[0]!, value: date(2005, 2025), entity: "date", share: 1 },
        {
          name: "clerk",
          label: inventor.words.invoice.contact[0]!,
          value: inventor.person().full,
          entity: "person",
          share: 1,
        },
      ]),
    },
    {
      order: 3,
      title: form.sections.bank,
      entries: all([
        { name: "holder", label: form.holder, value: person.full, entity: "person", share: 1 },
        {
          name: "iban",
          label: "IBAN",
          value: inventor.iban(),
          entity: "iban",
          share: 2,
          chance: inventor.currencyFirst ? 0.3 : 1,
        },
        { name: "card", label: form.cardNumber, value: inventor.card(), entity: "card", share: 2, chance: 0.35 },
      ]),
    },
  ];
}

function sectionHead({ page, random, decorations }: FormSheet, title: string, y: number): number {
  const { sheet, left, right, mm } = page;
  const height = page.leading * 1.5;
  const filled = decorations && random.chance(0.4);
  const dark = filled && random.chance(0.5);
  if (filled) sheet.rect(left, y, right, y + height, { fill: dark ? page.accent : tint(page.accent, 0.15) });
  page.lines([title], left + (filled ? 2 * mm : 0), y + height * 0.7, {
    ...page.bold(),
    colour: dark ? [255, 255, 255] : page.body.colour,
  });
  if (!filled && decorations) sheet.rule(left, y + height, right, y + height, page.body.colour, Math.max(1, 0.3 * mm));
  return y + height + page.leading * 0.4;
}

interface FillOptions {
  readonly look: "line" | "box" | "comb" | "shaded" | "bare";
  readonly labelAbove: boolean;
  readonly rowHeight: number;
}

function entriesOf(form: FormSheet, section: Section, y: number, options: FillOptions): number {
  const { left, right, mm } = form.page;
  const third = (right - left) / 3;
  let used = 0;
  let row = y;
  for (const entry of section.entries) {
    if (used + entry.share > 3) {
      row += options.rowHeight;
      used = 0;
    }
    field(form, entry, left + used * third, row, entry.share * third - 2.5 * mm, options);
    used += entry.share;
  }
  return row + options.rowHeight;
}

function field(
  { page, random, filled, fields }: FormSheet,
  entry: Entry,
  x: number,
  y: number,
  width: number,
  options: FillOptions,
): void {
  const { sheet, mm } = page;
  const { look, labelAbove, rowHeight } = options;
  const label = page.small(labelAbove ? 0.74 : 0.92);
  const { text, style, lift } = filled(entry.value);
  fields[entry.name] = text;
  const bottom = y + rowHeight - page.body.size * 0.45;
  const baseline = bottom - page.body.size * 0.35;
  let from = x + 1.5 * mm;
  // Under the label and the value.
  if (look === "shaded") sheet.rect(x, y, x + width, bottom + page.body.size * 0.1, { fill: tint(page.accent, 0.09) });
  if (labelAbove)
    page.lines([entry.label], x + (look === "box" || look === "shaded" ? 1.2 * mm : 0), y + label.size * 1.15, label, {
      room: width,
    });
  else from = page.sheet.line(`${entry.label}:`, x, baseline, fitStyle(entry.label, label, width * 0.5))[1] + 1.5 * mm;
  const line = Math.max(1, 0.18 * mm);
  const grey: Rgb = [110, 110, 114];
  if (look === "line") sheet.rule(labelAbove ? x : from - mm, bottom, x + width, bottom, grey, line);
  else if (look === "box") sheet.rect(x, y, x + width, bottom + page.body.size * 0.1, { stroke: grey, width: line });
  const room = x + width - from - mm;
  const content = entry.entity === undefined ? text : [{ text, entity: entry.entity }];
  if (look === "comb") {
    comb(page, text, entry.entity, x, bottom, width, style);
    return;
  }
  sheet.line(content, from, baseline + lift, fitStyle(content, style, room), {
    turn: random.normal(0, lift === 0 ? 0 : 0.004),
  });
}

/** One cell a character, letters spread over the cells. */
function comb(
  page: OfficePage,
  text: string,
  entity: EntityType | undefined,
  x: number,
  bottom: number,
  width: number,
  style: InkStyle,
): void {
  const { sheet, mm } = page;
  const characters = [...text];
  const cell = Math.min(5.2 * mm, width / Math.max(characters.length, 8));
  const height = page.body.size * 1.35;
  const grey: Rgb = [130, 130, 136];
  const count = Math.floor(width / cell);
  sheet.rule(x, bottom, x + count * cell, bottom, grey, 1);
  for (let i = 0; i <= count; i++) sheet.rule(x + i * cell, bottom - height * 0.45, x + i * cell, bottom, grey, 1);
  const size = Math.min(style.size, cell * 1.25);
  // Equal steps: letter spacing on top of the mean advance keeps the line one piece of text.
  const base = { ...style, size, stretch: 1, spacing: 0 };
  const natural = characters.reduce((sum, character) => sum + widthOf(character, base), 0) / characters.length;
  const spaced = { ...base, spacing: Math.max(0, cell - natural) };
  const content = entity === undefined ? text : [{ text, entity }];
  sheet.line(content, x + spaced.spacing / 2, bottom - page.body.size * 0.3, fitStyle(content, spaced, width));
}

function questions({ page, random, inventor, decorations, filled }: FormSheet, y: number): number {
  const { form } = inventor.words;
  const { sheet, right, left, mm } = page;
  for (const question of random.shuffled(form.questions).slice(0, random.int(0, 2))) {
    if (y > page.height - 65 * mm) return y;
    y += page.leading * 1.3;
    page.lines([question], left, y, page.body, { room: (right - left) * 0.6 });
    const side = page.body.size * 0.85;
    const chosen = random.int(0, 1);
    [form.yes, form.no].forEach((answer, i) => {
      const x = left + (right - left) * (0.68 + i * 0.16);
      if (decorations) {
        sheet.rect(x, y - side, x + side, y, { stroke: [60, 60, 64], width: Math.max(1, 0.18 * mm) });
        if (i === chosen) {
          const { style } = filled("x");
          sheet.rule(x - 1, y - side, x + side + 1, y + 1, style.colour, Math.max(1.2, 0.35 * mm));
          sheet.rule(x + side, y - side - 1, x, y, style.colour, Math.max(1.2, 0.35 * mm));
        }
      }
      page.lines([answer], x + side * 1.5, y, page.body, { room: 20 * mm });
    });
  }
  return y + page.leading;
}

/** Some ruled lines with a few words on them. */
function remarks({ page, random, inventor, decorations, filled }: FormSheet, y: number): number {
  const { sheet, left, right, mm } = page;
  const { letter } = inventor.words;
  const { style } = filled("x");
  const step = style.size * 1.35;
  const lines = random.int(2, 4);
  if (y + step * lines > page.height - 70 * mm) return y;
  const sentence = random.pick(letter.sentences.filter((text) => !text.includes("{")));
  const rows = wrap(random.chance(0.5) ? sentence : random.pick(letter.subjects), style, right - left - 4 * mm);
  for (let i = 0; i < lines; i++) {
    y += step;
    if (decorations) sheet.rule(left, y, right, y, [120, 120, 124], 1);
    const row = rows[i];
    if (row !== undefined) sheet.line(contentText(row).trimEnd(), left + 2 * mm, y - style.size * 0.18, style);
  }
  return y + page.leading;
}

function declaration({ page, random, inventor, decorations, filled, fields }: FormSheet, y: number): number {
  const { form } = inventor.words;
  const { sheet, left, right, mm } = page;
  y = page.paragraph(random.pick(form.declarations), left, y + page.leading, right - left, page.small(0.9));
  y += 11 * mm;
  const middle = left + (right - left) * random.range(0.48, 0.56);
  const { text: date, style, lift } = filled(inventor.dateText(inventor.date(2005, 2025)));
  const { text: town } = filled(inventor.place().town);
  fields["signedDate"] = date;
  const content = [{ text: town, entity: "address" as const }, ", ", { text: date, entity: "date" as const }];
  sheet.line(content, left + 2 * mm, y - 1.2 * mm + lift, fitStyle(content, style, middle - left - 12 * mm));
  if (decorations) {
    scribble(
      sheet,
      random,
      middle + 5 * mm,
      y - 3 * mm,
      random.range(25, 45) * mm,
      9 * mm,
      penColour(random),
      0.4 * mm,
    );
    sheet.rule(left, y, middle - 8 * mm, y, [90, 90, 94], Math.max(1, 0.18 * mm));
    sheet.rule(middle, y, right, y, [90, 90, 94], Math.max(1, 0.18 * mm));
  }
  page.lines([form.placeDate], left, y + page.body.size, page.small(0.74));
  page.lines([form.signature], middle, y + page.body.size, page.small(0.74), { room: right - middle });
  return y + page.leading * 2;
}
