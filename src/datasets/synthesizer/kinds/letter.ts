/** Letters: letterhead, addressee, date, subject, paragraphs with personal data in the running text, signature. */
import type { Draft, DraftContext } from "../draft.ts";
import type { Inventor } from "../inventor.ts";
import { markLines } from "../marks.ts";
import { addressBlock, footer, inventSender, OfficePage, type Sender, tagged } from "../office-page.ts";
import { penColour, scribble, stamp } from "../ornaments.ts";
import { type Content, type Piece, textWidth } from "../sheet.ts";
import { pickTypeface } from "../typefaces.ts";
import { letterhead } from "./invoice.ts";

type Random = DraftContext["random"];

export function draftLetter(context: DraftContext): Draft {
  const { random, inventor, decorations } = context;
  const page = new OfficePage(context, [
    ["serif", 4],
    ["sans", 4],
    ["typewriter", 2.5],
    ["condensed", 0.7],
    ["mono", 0.5],
  ]);
  const { letter } = inventor.words;
  const { sheet, left, right, mm } = page;
  const sender = inventSender(random, inventor);
  const fields: Record<string, string> = { company: sender.company };
  const room = right - left;
  const personal = random.chance(0.2);
  let y: number;
  if (personal) {
    const writer = inventor.person();
    fields["writer"] = writer.full;
    y =
      page.lines(
        addressBlock({ person: writer, place: inventor.place() }),
        random.chance(0.5) ? left : left + room * 0.6,
        25 * mm,
        page.body,
        { room: room * 0.4 },
      ) + page.leading;
  } else y = letterhead(page, random, inventor, sender, decorations);

  const addressee = inventor.person();
  const place = inventor.place();
  fields["addressee"] = addressee.full;
  fields["address"] = place.lines.join(" ");
  y += page.leading * random.range(0.8, 2.4);
  const block = addressBlock({
    person: addressee,
    place,
    ...(random.chance(0.25) ? { company: inventor.company() } : {}),
  });
  const date = inventor.dateText(inventor.date());
  fields["date"] = date;
  const dated: Content = random.chance(0.5)
    ? [`${sender.place.town}, `, { text: date, entity: "date" }]
    : tagged(date, "date");
  y = page.lines(block, left, y, page.body, { room: room * 0.5 });
  y += page.leading * random.range(0.5, 1.5);
  page.lines([dated], random.chance(0.6) ? right : left + room * 0.6, y, page.body, {
    align: "right",
    room: room * 0.5,
  });
  if (random.chance(0.5)) {
    const reference = `${random.pick(["A", "KD", "X", ""])}${random.digits(random.int(4, 8))}`;
    page.lines(
      [[`${random.pick(letter.ourReference)}: `, { text: reference, entity: "id_number" }]],
      left,
      y,
      page.small(0.92),
      { room: room * 0.4 },
    );
    fields["reference"] = reference;
  }
  y += page.leading * random.range(1.5, 2.5);
  y = page.lines(
    [random.pick(letter.subject) + random.pick(letter.subjects)],
    left,
    y,
    random.chance(0.75) ? page.bold() : page.body,
  );
  y += page.leading * random.range(0.6, 1.4);
  const name = random.chance(0.6) ? addressee.last : addressee.full;
  y = page.lines([fill(random.pick(letter.salutations), () => ({ text: name, entity: "person" }))], left, y);
  y += page.leading * 0.5;
  y = paragraphs(page, random, inventor, sender, y, page.height - 75 * mm);
  y = closing(page, random, inventor, y, decorations, fields);
  if (!personal && random.chance(0.7)) footer(page, random, inventor, sender, decorations && random.chance(0.6));
  if (decorations) {
    if (random.chance(0.15))
      stamp(
        sheet,
        random,
        right - 35 * mm,
        random.range(40, 80) * mm,
        random.range(4, 7) * mm,
        random.pick(inventor.words.invoice.stamps),
        page.face,
      );
    page.wear(random);
    markLines(sheet, random.fork("marks"), {
      width: page.width,
      height: page.height,
      underlines: 0.25,
      frames: 0.06,
      highlighter: 0.08,
      ground: 0.08,
    });
  }
  return { sheet, width: page.width, height: page.height, paper: "office", fields };
}

/** `template` with each {name} replaced by what `value` gives for it. */
export function fill(template: string, value: (name: string) => Piece): Piece[] {
  return template
    .split(/(\{[a-z]+\})/)
    .filter((part) => part !== "")
    .map((part) => (part.startsWith("{") ? value(part.slice(1, -1)) : part));
}

function paragraphs(
  page: OfficePage,
  random: Random,
  inventor: Inventor,
  sender: Sender,
  y: number,
  limit: number,
): number {
  const value = (name: string): Piece => {
    switch (name) {
      case "person":
        return { text: inventor.person().full, entity: "person" };
      case "company":
        return { text: random.chance(0.3) ? sender.company : inventor.company(), entity: "company" };
      case "date":
        return { text: inventor.dateText(inventor.date()), entity: "date" };
      case "iban":
        return { text: sender.iban, entity: "iban" };
      case "phone":
        return { text: random.chance(0.5) ? sender.phone : inventor.phone(), entity: "phone" };
      case "email":
        return { text: sender.email, entity: "email" };
      case "address":
        return { text: inventor.place().lines.join(", "), entity: "address" };
      case "number":
        return { text: random.digits(random.int(5, 8)), entity: "id_number" };
      default:
        return inventor.price(random.int(500, 250_000));
    }
  };
  const sentences = random.shuffled(inventor.words.letter.sentences);
  const room = page.right - page.left;
  for (let paragraph = random.int(2, 5); paragraph > 0 && sentences.length > 0; paragraph--) {
    const pieces: Piece[] = [];
    for (let i = random.int(1, 3); i > 0 && sentences.length > 0; i--) {
      if (pieces.length > 0) pieces.push(" ");
      pieces.push(...fill(sentences.pop()!, value));
    }
    if (y > limit - page.leading * 3) break;
    y = page.paragraph(pieces, page.left, y, room) + page.leading * 0.55;
  }
  return y;
}

function closing(
  page: OfficePage,
  random: Random,
  inventor: Inventor,
  y: number,
  decorations: boolean,
  fields: Record<string, string>,
): number {
  const { letter } = inventor.words;
  const { left, mm } = page;
  const x = random.chance(0.8) ? left : left + (page.right - left) * 0.55;
  const room = (page.right - left) * 0.45;
  const signer = inventor.person();
  fields["signer"] = signer.full;
  y = page.lines([random.pick(letter.closings)], x, y + page.leading * 0.5, page.body, { room });
  const height = random.range(9, 15) * mm;
  const pen = penColour(random);
  if (random.chance(0.35)) {
    // A signature that can be read.
    const face = pickTypeface(random, [["handwriting", 1]]);
    const style = { face: face.regular, size: height * 0.75, colour: pen };
    page.sheet.line(
      tagged(signer.full, "person"),
      x,
      y + height * 0.55,
      { ...style, size: style.size * Math.min(1, room / textWidth(signer.full, style)) },
      { turn: random.normal(-0.03, 0.03) },
    );
  } else if (decorations)
    scribble(page.sheet, random, x, y + height * 0.4, random.range(25, 48) * mm, height, pen, 0.4 * mm);
  y += height + page.leading * 0.4;
  y = page.lines(
    [tagged(signer.full, "person"), ...(random.chance(0.6) ? [random.pick(letter.roles)] : [])],
    x,
    y,
    page.body,
    { room },
  );
  if (random.chance(0.35))
    y = page.lines([random.pick(letter.enclosures)], left, y + page.leading * 0.8, page.small(0.9));
  return y;
}
