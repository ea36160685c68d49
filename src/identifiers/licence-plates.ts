/**
 * Licence plates as ten countries give them out. Only Singapore's carry a check letter; the other forms merely look like
 * nothing else when they are grouped as they are printed.
 */
import { type Draw, pickFrom } from "./scheme.ts";

export interface PlateForm {
  /** ISO 3166-1 alpha-2. */
  readonly country: string;
  /** Of the plate as printed, its groups parted by spaces or hyphens. */
  readonly printed: RegExp;
  /** Of its letters and digits alone. */
  readonly compact: RegExp;
  /** Letters that are given out. */
  readonly letters: string;
  /** The form is so much its own that it needs no label. */
  readonly distinct: boolean;
  /** Characters at its start that tell the place or kind of vehicle. */
  readonly kept: number;
  /** The plate with its check letter set right. */
  readonly complete?: (compact: string) => string;
}

const anyLetter = "ABCDEFGHJKLMNPQRSTUVWXYZ";

function plate(
  country: string,
  groups: readonly string[],
  separator: string,
  options: Partial<Omit<PlateForm, "country" | "printed" | "compact">> = {},
): PlateForm {
  return {
    country,
    printed: new RegExp(`^${groups.join(separator)}$`),
    compact: new RegExp(`^${groups.join("")}$`),
    letters: anyLetter,
    distinct: false,
    kept: 0,
    ...options,
  };
}

/**
 * Singapore's check letter (the rule that all checkers in use share): the last two letters of the prefix, A = 1, and four
 * digits weighted 9, 4, 5, 4, 3, 2; the remainder of 19 counts in AZYXUTSRPMLKJHGEDCB.
 */
function completeSingapore(compact: string): string {
  const [, prefix = "", digits = ""] = /^([A-Z]{1,3})(\d{1,4})[A-Z]$/.exec(compact) ?? [];
  const letters = [...prefix.slice(-2).padStart(2, "@")].map((letter) => letter.charCodeAt(0) - 64);
  const values = [...letters, ...[...digits.padStart(4, "0")].map(Number)];
  const sum = [9, 4, 5, 4, 3, 2].reduce((total, weight, i) => total + weight * values[i]!, 0);
  return `${prefix}${digits}${"AZYXUTSRPMLKJHGEDCB"[sum % 19]!}`;
}

const french = "[A-HJ-NP-TV-Z]{2}";
const dutch = (count: string): string => `[BDF-HJ-LNP-TVXZ]{${count}}`;
const dutchOptions = { letters: "BDFGHJKLNPRSTVXZ", distinct: true } as const;
const states =
  "(?:A[NPRS]|BR|C[GH]|D[DLN]|G[AJ]|H[PR]|J[HK]|K[AL]|L[AD]|M[HLNPZ]|NL|O[DR]|P[BY]|RJ|SK|T[GNRS]|U[AKP]|WB)";

export const plateForms: readonly PlateForm[] = [
  plate("SG", ["(?:S[A-Z]{1,2}|E[A-Z]?|[GF][A-Z]{1,2}|X[A-E]|[YP][A-Z]|C[BS])", "\\d{1,4}", "[A-Z]"], "[ -]?", {
    distinct: true,
    kept: 1,
    complete: completeSingapore,
  }),
  // Since 2009: never I, O, U.
  plate("FR", [french, "\\d{3}", french], "-", { letters: "ABCDEFGHJKLMNPQRSTVWXYZ", distinct: true }),
  plate("IN", [states, "\\d{1,2}", "[A-Z]{1,3}", "\\d{4}"], "[ -]?", { distinct: true, kept: 2 }),
  // The Netherlands' series since 1978.
  plate("NL", [dutch("2"), "\\d\\d", dutch("2")], "-", dutchOptions),
  plate("NL", [dutch("2"), "\\d{3}", dutch("1")], "-", dutchOptions),
  plate("NL", ["\\d\\d", dutch("2"), dutch("2")], "-", dutchOptions),
  plate("NL", ["\\d\\d", dutch("3"), "\\d"], "-", dutchOptions),
  plate("NL", ["\\d", dutch("3"), "\\d\\d"], "-", dutchOptions),
  plate("NL", [dutch("1"), "\\d{3}", dutch("2")], "-", dutchOptions),
  // Since 2001: area, half-year, three letters.
  plate("GB", ["[A-HJ-PR-Y]{2}", "(?:0[1-9]|[1-7]\\d)", "[A-HJ-PR-Z]{3}"], " ?", { letters: "ABCDEFGHJKLMNPRSTUVWXY" }),
  plate("IT", ["[A-HJ-NPR-TV-Z]{2}", "\\d{3}", "[A-HJ-NPR-TV-Z]{2}"], " ?", { letters: "ABCDEFGHJKLMNPRSTVWXYZ" }),
  plate("ES", ["\\d{4}", "[BCDFGHJ-NPR-TV-Z]{3}"], "[ -]?", { letters: "BCDFGHJKLMNPRSTVWXYZ" }),
  plate("DE", ["[A-ZÄÖÜ]{1,3}[- ]", "[A-Z]{1,2}", "\\d{1,4}[EH]?"], " ?"),
  plate("MY", ["[A-Z]{1,3}", "\\d{1,4}", "[A-Z]?"], " ?"),
];

/** The forms of a printed plate, surest first; a wrong check letter excludes. */
export function plateFormsOf(text: string): PlateForm[] {
  const upper = text.trim().toUpperCase();
  const compact = compactPlate(upper);
  return plateForms.filter(
    ({ printed, complete = (plain: string) => plain }) => printed.test(upper) && complete(compact) === compact,
  );
}

const compactPlate = (text: string): string => text.toUpperCase().replace(/[^A-ZÄÖÜ\d]/g, "");

/** Another plate like a printed one, in its grouping and letter case; undefined for a text of no country's form. */
export function likePlate(text: string, draw: Draw): string | undefined {
  const compact = compactPlate(text);
  const known = plateForms.find(
    (form) => form.compact.test(compact) && (form.complete?.(compact) ?? compact) === compact,
  );
  if (known === undefined) return undefined;
  for (let tries = 0; tries < 200; tries++) {
    const drawn = [...compact].map((character, i) =>
      i < known.kept ? character : /\d/.test(character) ? String(draw(10)) : pickFrom(known.letters, draw),
    );
    const made = known.complete?.(drawn.join("")) ?? drawn.join("");
    if (made !== compact && known.compact.test(made)) return inPlace(text, made);
  }
  return undefined;
}

function inPlace(text: string, made: string): string {
  let next = 0;
  return text.replace(/[\p{L}\d]/gu, (old) => {
    const character = made[next++]!;
    return old !== old.toUpperCase() ? character.toLowerCase() : character;
  });
}
