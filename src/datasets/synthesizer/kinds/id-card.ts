/**
 * Cards of the size of a bank card: identity and insurance cards, licences, staff and membership passes. Issuers are
 * invented; machine-readable lines carry UTO, the code that ICAO 9303 gives to its specimens.
 */
import type { EntityType } from "../../../detection/entity.ts";
import { mrzDigit } from "../../../identifiers/machine-readable.ts";
import { type Draft, type DraftContext, upper } from "../draft.ts";
import type { CalendarDate, Inventor, Person } from "../inventor.ts";
import { accentColour, barcode, logo, scribble, tint } from "../ornaments.ts";
import { fitStyle, type InkStyle, type Point, type Rgb, Sheet, textWidth } from "../sheet.ts";
import { pickTypeface } from "../typefaces.ts";

type Random = DraftContext["random"];

interface CardField {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly entity?: EntityType;
}

const realms = [
  "NORDLAND",
  "VALDORIA",
  "REPUBLIC OF ESTRIA",
  "CONFEDERATION OF MARENSA",
  "UTOPIA",
  "GRAND DUCHY OF ALTENMARK",
];
const cardTypes = ["identity", "licence", "residence", "staff", "insurance", "member", "student"] as const;
type CardType = (typeof cardTypes)[number];

export function draftIdCard({ random, inventor, decorations }: DraftContext): Draft {
  const width = Math.round(random.range(900, 1080));
  const height = Math.round(width * 0.63);
  const u = width / 100;
  const sheet = new Sheet();
  const type = random.weighted<CardType>([
    ["identity", 4],
    ["licence", 2],
    ["residence", 1.5],
    ["staff", 1.5],
    ["insurance", 1.5],
    ["member", 1],
    ["student", 1],
  ]);
  const official = type === "identity" || type === "licence" || type === "residence";
  const accent = accentColour(random);
  const face = pickTypeface(random, [
    ["sans", 5],
    ["condensed", 3],
    ["serif", 0.5],
  ]);
  const valueFace = random.chance(0.4)
    ? pickTypeface(random, [
        ["mono", 3],
        ["sans", 2],
        ["typewriter", 1],
      ])
    : face;
  const dark: Rgb = [24, 24, 28];
  const background = tint(accent, random.range(0.04, 0.2));
  sheet.rect(0, 0, width, height, { fill: background });
  if (decorations) guilloche(sheet, random, width, height, tint(accent, random.range(0.15, 0.35)));
  const fields: Record<string, string> = {};

  const { card } = inventor.words;
  const title = card.titles[cardTypes.indexOf(type)]!;
  const banded = !official || random.chance(0.3);
  const headHeight = 11 * u;
  if (banded && decorations) sheet.rect(0, 0, width, headHeight, { fill: accent });
  const headColour: Rgb = banded && decorations ? [255, 255, 255] : accent;
  const titleStyle: InkStyle = {
    face: face.bold,
    size: 4.2 * u,
    colour: headColour,
    spacing: random.range(0, 0.2) * u,
  };
  const company = inventor.company();
  let x = 4 * u;
  if (decorations && random.chance(0.6))
    x =
      logo(sheet, random, x, 2 * u, 7 * u, official ? "U" : company, banded ? tint(accent, 0.5) : accent, face) + 2 * u;
  if (official) {
    sheet.line(
      random.pick(realms),
      x,
      4.2 * u,
      fitStyle("GRAND DUCHY OF ALTENMARK", { ...titleStyle, face: face.regular, size: 2.4 * u }, 60 * u),
    );
    sheet.line(title, x, 8.8 * u, fitStyle(title, titleStyle, 60 * u));
  } else {
    sheet.line(
      [{ text: company, entity: "company" }],
      x,
      6.8 * u,
      fitStyle(company, { ...titleStyle, size: 3.6 * u }, 50 * u),
    );
    sheet.line(title, width - 4 * u, 6.8 * u, fitStyle(title, { ...titleStyle, size: 2.8 * u }, 34 * u), {
      align: "right",
    });
    fields["company"] = company;
  }

  const person = inventor.person();
  const photoLeft = random.chance(0.75);
  const photo = { x: photoLeft ? 4 * u : width - 27 * u, y: 14 * u, width: 23 * u, height: 29 * u };
  const withPhoto = type !== "insurance" || random.chance(0.4);
  if (withPhoto && decorations) portrait(sheet, random, photo);
  const withMrz = official && type !== "licence" && random.chance(0.6);
  const birth = inventor.date(1940, 2006);
  const expires = inventor.date(2024, 2035);
  const documentNumber = `${random.pick([..."CFGHJKLMNPRTVWXYZ"])}${random.digits(8)}`;
  const entries = cardFields(random, inventor, type, person, birth, expires, documentNumber);
  const left = withPhoto && photoLeft ? 30 * u : 5 * u;
  const right = withPhoto && !photoLeft ? width - 30 * u : width - 4 * u;
  const limit = withMrz ? height - 15 * u : height - 5 * u;
  grid(sheet, random, entries, {
    left,
    right,
    top: 14 * u,
    limit,
    u,
    label: { face: face.regular, size: random.range(1.6, 2.1) * u, colour: random.chance(0.5) ? accent : [80, 80, 86] },
    value: {
      face: valueFace.bold,
      size: random.range(2.6, 3.1) * (entries.length <= 4 ? 1.35 : entries.length <= 5 ? 1.15 : 1) * u,
      colour: dark,
    },
    fields,
  });
  if (decorations && withPhoto && random.chance(0.5))
    scribble(sheet, random, photo.x + u, photo.y + photo.height + 2.6 * u, photo.width * 0.8, 3 * u, dark, 0.22 * u);
  if (withMrz) machineLines(sheet, random, person, birth, expires, documentNumber, width, height, u, decorations);
  else if (decorations && random.chance(0.4)) barcode(sheet, random, width - 34 * u, height - 8 * u, 30 * u, 5 * u);
  if (decorations && !official && photoLeft && random.chance(0.5)) chip(sheet, width - 16 * u, height - 23 * u, u);
  return { sheet, width, height, paper: "card", fields };
}

function cardFields(
  random: Random,
  inventor: Inventor,
  type: CardType,
  person: Person,
  birth: CalendarDate,
  expires: CalendarDate,
  documentNumber: string,
): CardField[] {
  const { card, form } = inventor.words;
  const place = inventor.place();
  const date = (value: CalendarDate): string => inventor.dateText(value);
  const caps = random.chance(0.5) ? upper : (text: string): string => text;
  const name: CardField[] = [
    { name: "surname", label: form.surname, value: caps(person.last), entity: "person" },
    { name: "givenNames", label: form.givenNames, value: caps(person.first), entity: "person" },
  ];
  const born: CardField = { name: "birthDate", label: form.birthDate, value: date(birth), entity: "birth_date" };
  const until: CardField = { name: "expires", label: card.expires, value: date(expires), entity: "date" };
  const number: CardField = { name: "number", label: card.number, value: documentNumber, entity: "id_number" };
  const address: CardField = {
    name: "address",
    label: card.address,
    value: `${place.street}, ${place.townLine}`,
    entity: "address",
  };
  switch (type) {
    case "identity":
      return [
        ...name,
        born,
        { name: "nationality", label: form.nationality, value: "UTO" },
        { name: "birthPlace", label: form.birthPlace, value: caps(place.town), entity: "address" },
        number,
        until,
        ...(random.chance(0.5) ? [address] : []),
      ];
    case "licence":
      return [
        ...name,
        born,
        { name: "issued", label: card.issued, value: date(inventor.date(2010, 2023)), entity: "date" },
        until,
        number,
        { name: "classes", label: card.licence, value: random.pick(["B", "A B", "AM B L", "B BE C1"]) },
        address,
      ];
    case "residence":
      return [
        ...name,
        { name: "sex", label: card.sex, value: random.pick(["F", "M"]) },
        { name: "nationality", label: form.nationality, value: "UTO" },
        born,
        number,
        until,
      ];
    case "staff":
      return [
        { name: "name", label: card.name, value: person.full, entity: "person" },
        { name: "department", label: card.department, value: random.pick(card.departments) },
        { name: "employee", label: card.employee, value: random.digits(6), entity: "id_number" },
        until,
      ];
    case "insurance":
      return [
        ...name,
        born,
        {
          name: "insurance",
          label: card.insurance,
          value: `${random.pick([..."ABDHKLMT"])}${random.digits(9)}`,
          entity: "id_number",
        },
        until,
      ];
    case "member":
      return [
        { name: "name", label: card.name, value: person.full, entity: "person" },
        {
          name: "member",
          label: card.number,
          value: random.chance(0.5) ? random.digits(8) : inventor.card(),
          entity: "id_number",
        },
        { name: "since", label: card.memberSince, value: String(random.int(1985, 2024)) },
      ];
    default:
      return [
        ...name,
        born,
        { name: "student", label: card.number, value: random.digits(7), entity: "id_number" },
        until,
      ];
  }
}

interface GridOptions {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly limit: number;
  readonly u: number;
  readonly label: InkStyle;
  readonly value: InkStyle;
  readonly fields: Record<string, string>;
}

/** Labels with values under them; short ones share a row. */
function grid(sheet: Sheet, random: Random, entries: readonly CardField[], options: GridOptions): void {
  const { left, right, top, limit, u, label, value, fields } = options;
  const beside = random.chance(0.25);
  const rowHeight = Math.min(
    beside ? value.size * 2 : label.size * 1.3 + value.size * 1.75,
    (limit - top) / Math.ceil(entries.length * 0.75),
  );
  let y = top;
  let x = left;
  for (const entry of entries) {
    const half = entry.entity === "date" || entry.entity === "birth_date" || entry.value.length < 12;
    const room = (right - left) * (half ? 0.48 : 1);
    if (x + room > right + 1) {
      x = left;
      y += rowHeight;
    }
    if (y + rowHeight > limit + 1) return;
    fields[entry.name] = entry.value;
    const content = entry.entity === undefined ? entry.value : [{ text: entry.value, entity: entry.entity }];
    if (beside) {
      const end = sheet.line(entry.label, x, y + value.size, fitStyle(entry.label, label, room * 0.4))[1];
      sheet.line(content, end + u, y + value.size, fitStyle(content, value, room - (end - x) - 2 * u));
    } else {
      sheet.line(entry.label, x, y + label.size, fitStyle(entry.label, label, room));
      sheet.line(content, x, y + label.size * 1.25 + value.size, fitStyle(content, value, room - u));
    }
    x += room + (right - left) * 0.03;
    if (!half) {
      x = left;
      y += rowHeight;
    }
  }
}

/** Three lines of 30 characters, with ICAO check digits. */
function machineLines(
  sheet: Sheet,
  random: Random,
  person: Person,
  birth: CalendarDate,
  expires: CalendarDate,
  number: string,
  width: number,
  height: number,
  u: number,
  decorations: boolean,
): void {
  const letters = (text: string): string =>
    text
      .normalize("NFD")
      .replace(/[\u0300-\u036f]/g, "")
      .toUpperCase()
      .replace(/[^A-Z]+/g, "<");
  const two = (value: number): string => String(value % 100).padStart(2, "0");
  const day = ({ year, month, day }: CalendarDate): string => two(year) + two(month) + two(day);
  const first = `IDUTO${number}${mrzDigit(number)}`.padEnd(30, "<");
  const middle =
    `${day(birth)}${mrzDigit(day(birth))}${random.pick(["F", "M"])}${day(expires)}${mrzDigit(day(expires))}UTO`.padEnd(
      29,
      "<",
    );
  const second = middle + mrzDigit(first.slice(5) + middle.slice(0, 7) + middle.slice(8, 15) + middle.slice(18, 29));
  const third = `${letters(person.last)}<<${letters(person.first)}`.slice(0, 30).padEnd(30, "<");
  const face = pickTypeface(random, [["mono", 1]]);
  if (decorations) sheet.rect(0, height - 14 * u, width, height, { fill: [248, 248, 246], alpha: 0.7 });
  const base = { face: face.regular, size: 4.1 * u, colour: [14, 14, 16] as const };
  const room = (width - 9 * u) * random.range(0.88, 1);
  const style = { ...base, spacing: Math.max(0, (room - textWidth(first, base)) / first.length) };
  for (const [i, line] of [first, second, third].entries()) {
    sheet.line([{ text: line, entity: i === 2 ? "person" : "id_number" }], 5 * u, height - (10.4 - i * 4) * u, style);
  }
}

/** Fine waves over the whole card. */
function guilloche(sheet: Sheet, random: Random, width: number, height: number, colour: Rgb): void {
  const waves = random.int(5, 11);
  const swing = height * random.range(0.05, 0.2);
  const length = width * random.range(0.2, 0.6);
  for (let w = 0; w < waves; w++) {
    const y0 = (height * (w + 0.5)) / waves;
    const phase = w * random.range(0.3, 0.9);
    const points = Array.from(
      { length: 41 },
      (_, i): Point => [
        (width * i) / 40,
        Math.min(height, Math.max(0, y0 + swing * Math.sin(((width * i) / 40 / length) * 2 * Math.PI + phase))),
      ],
    );
    sheet.shape(points, false, { stroke: colour, width: 1.2 });
  }
}

/** A person as simple shapes: nobody's face. */
function portrait(sheet: Sheet, random: Random, box: { x: number; y: number; width: number; height: number }): void {
  const { x, y, width, height } = box;
  const grey = random.chance(0.5);
  const skin: Rgb = grey
    ? [random.int(120, 200), 0, 0]
    : random.pick<Rgb>([
        [224, 182, 152],
        [190, 140, 104],
        [142, 98, 70],
        [96, 66, 48],
      ]);
  const tone: Rgb = grey ? [skin[0], skin[0], skin[0]] : skin;
  const hair: Rgb = random.pick<Rgb>([
    [40, 32, 28],
    [90, 62, 40],
    [150, 120, 70],
    [120, 120, 122],
  ]);
  const shade = (colour: Rgb): Rgb => (grey ? [colour[0], colour[0], colour[0]] : colour);
  const cx = x + width / 2;
  sheet.rect(x, y, x + width, y + height, { fill: shade([random.int(190, 235), 214, 222]) });
  sheet.shape(
    [
      [x + width * 0.08, y + height],
      [x + width * 0.2, y + height * 0.78],
      [cx, y + height * 0.7],
      [x + width * 0.8, y + height * 0.78],
      [x + width * 0.92, y + height],
    ],
    true,
    { fill: shade(accentColour(random)) },
  );
  sheet.rect(cx - width * 0.1, y + height * 0.58, cx + width * 0.1, y + height * 0.76, { fill: tone });
  sheet.ellipse(cx, y + height * 0.34, width * 0.27, height * 0.26, { fill: shade(hair) });
  sheet.ellipse(cx, y + height * 0.43, width * 0.22, height * 0.24, { fill: tone });
  for (const side of [-1, 1])
    sheet.ellipse(cx + side * width * 0.085, y + height * 0.4, width * 0.022, height * 0.012, { fill: [30, 28, 28] });
  sheet.rule(
    cx - width * 0.06,
    y + height * 0.54,
    cx + width * 0.06,
    y + height * 0.54,
    [110, 60, 56],
    Math.max(1, width * 0.012),
  );
  sheet.rule(
    cx,
    y + height * 0.43,
    cx + width * 0.015,
    y + height * 0.48,
    shade([120, 84, 66]),
    Math.max(1, width * 0.01),
  );
}

function chip(sheet: Sheet, x: number, y: number, u: number): void {
  const line: Rgb = [120, 96, 40];
  sheet.rect(x, y, x + 11 * u, y + 9 * u, { fill: [214, 182, 96], stroke: line, width: 1 });
  for (const dy of [3, 6]) sheet.rule(x, y + dy * u, x + 11 * u, y + dy * u, line, 1);
  for (const dx of [3.6, 7.4]) sheet.rule(x + dx * u, y, x + dx * u, y + 9 * u, line, 1);
}
