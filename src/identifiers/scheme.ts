/** What an identifier scheme is: the form of a number, the rule of its check digits, and how to invent another one. */

/** A whole number in 0 … limit − 1, every one equally likely. */
export type Draw = (limit: number) => number;

/** Compact numbers everywhere: upper case, digits and letters only. */
export interface IdentifierScheme {
  /** "de-vat": country and what it is. */
  readonly name: string;
  /** ISO 3166-1 alpha-2; undefined for what is not of one country. */
  readonly country: string | undefined;
  /** Whose number it is: an enterprise's registration for value added tax, a taxpayer's, a person's. */
  readonly kind: "vat" | "tax" | "person" | "general";
  /**
   * By what a number shows that it belongs here: its check digits, a form that nothing else has, or only the way it is
   * grouped (one of `layouts`).
   */
  readonly shownBy: "check" | "form" | "layout";
  /** How it is printed, "X" for every character; the first one is usual. Empty when in one piece. */
  readonly layouts: readonly string[];
  /** Whether the number has this form and right check digits. */
  valid(compact: string): boolean;
  /** Whether it has the form, whatever its check digits are. */
  hasForm(compact: string): boolean;
  /** The number with its check digits set right; null when it hasn't the form or none fit (draw another). */
  complete(compact: string): string | null;
  /** Another valid number, never `like`; what tells the kind of a number (prefix, series, legal form) is kept from `like`. */
  invent(draw: Draw, like?: string): string;
}

interface Rules {
  readonly name: string;
  readonly country?: string;
  readonly kind: IdentifierScheme["kind"];
  readonly shownBy?: IdentifierScheme["shownBy"];
  readonly layouts?: readonly string[];
  /** The country's letters in front. Optional: numbers without count too, and half of the invented VAT numbers have none. */
  readonly prefix?: string;
  readonly prefixOptional?: boolean;
  /** Of the number without its prefix, in the parts (before)(check)(after); check may be empty. */
  readonly form: RegExp;
  /** Right check characters for the rest; several where the rule allows several, none when no number may be made of it. */
  readonly check?: (before: string, after: string) => readonly string[];
  /** What else must hold, as that a date in it is one. */
  readonly accepts?: (body: string) => boolean;
  /** A number of the form without prefix, check characters arbitrary. */
  readonly body: (draw: Draw, like: string | undefined) => string;
}

/** More than enough: the rarest rules refuse half of the drawn numbers. */
const draws = 1000;

export function scheme(rules: Rules): IdentifierScheme {
  const { prefix = "", prefixOptional = false, form, check, accepts = () => true } = rules;
  const bodyOf = (compact: string): string | undefined =>
    compact.startsWith(prefix) ? compact.slice(prefix.length) : prefixOptional ? compact : undefined;

  const complete = (compact: string): string | null => {
    const body = bodyOf(compact);
    const parts = body === undefined ? null : form.exec(body);
    if (!body || !parts) return null;
    if (!check) return compact;
    const [, before = "", own = "", after = ""] = parts;
    const allowed = check(before, after);
    if (allowed.includes(own)) return compact;
    const alike = allowed.find((characters) => /^\d/.test(characters) === /^\d/.test(own)) ?? allowed[0];
    return alike === undefined ? null : compact.slice(0, compact.length - body.length) + before + alike + after;
  };
  const hasForm = (compact: string): boolean => {
    const body = bodyOf(compact);
    return body !== undefined && form.test(body);
  };
  const valid = (compact: string): boolean =>
    complete(compact) === compact && accepts(compact.slice(compact.length - bodyOf(compact)!.length));

  return {
    name: rules.name,
    country: rules.country,
    kind: rules.kind,
    shownBy: rules.shownBy ?? "check",
    layouts: rules.layouts ?? [],
    valid,
    hasForm,
    complete,
    invent(draw, like) {
      const original = like === undefined ? undefined : bodyOf(like);
      const withPrefix = !prefixOptional || (rules.kind === "vat" && draw(2) === 0);
      const lead =
        like !== undefined && original !== undefined
          ? like.slice(0, like.length - original.length)
          : withPrefix
            ? prefix
            : "";
      for (let i = 0; i < draws; i++) {
        const made = complete(lead + rules.body(draw, original));
        if (made !== null && made !== like && valid(made)) return made;
      }
      throw new Error(`No number of the scheme ${rules.name} in ${draws} draws`);
    },
  };
}

/** Characters after a pattern: "#" a digit, "+" a digit above 0, "@" a letter; anything else stands for itself. */
export const fill = (pattern: string, draw: Draw): string =>
  pattern.replace(/[#+@]/g, (kind) =>
    kind === "#" ? String(draw(10)) : kind === "+" ? String(1 + draw(9)) : pickFrom("ABCDEFGHJKLMNPQRSTUVWXYZ", draw),
  );

export const pickFrom = (characters: string, draw: Draw): string => characters[draw(characters.length)]!;

/** A day as YYMMDD, 1 … 28 in every month. */
export const drawDate = (draw: Draw): string => {
  const two = (value: number): string => String(value).padStart(2, "0");
  return two(draw(100)) + two(1 + draw(12)) + two(1 + draw(28));
};

/** Whether YYMMDD is a day of the calendar; the century is open, so 29 February is one where 19YY or 20YY has it. */
export function isDate(yymmdd: string): boolean {
  const [year, month, day] = [0, 2, 4].map((at) => Number(yymmdd.slice(at, at + 2))) as [number, number, number];
  const days = [31, year % 4 === 0 ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1]!;
}

/** Digits and letters of a text as printed, in upper case: what schemes take. */
export const compactOf = (text: string): string => text.toUpperCase().replace(/[^A-Z\d]/g, "");

/** How a text is grouped: "XX-XXXXXXX". */
export const layoutOf = (text: string): string => text.trim().replace(/[A-Za-z\d]/g, "X");

/** A compact number in a layout of as many characters. */
export function printAs(compact: string, layout: string): string {
  let next = 0;
  return layout.replace(/X/g, () => compact[next++] ?? "");
}
