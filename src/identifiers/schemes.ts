/**
 * All identifier schemes: what detection knows a number by, what replacement completes an invented one with, and what
 * synthetic documents carry.
 */
import { luhnDigit } from "./check-digits.ts";
import { austria } from "./countries/at.ts";
import { belgium } from "./countries/be.ts";
import { germany } from "./countries/de.ts";
import { spain } from "./countries/es.ts";
import { france } from "./countries/fr.ts";
import { britain } from "./countries/gb.ts";
import { india } from "./countries/in.ts";
import { italy } from "./countries/it.ts";
import { malaysia } from "./countries/my.ts";
import { netherlands } from "./countries/nl.ts";
import { poland } from "./countries/pl.ts";
import { singapore } from "./countries/sg.ts";
import { unitedStates } from "./countries/us.ts";
import { compactOf, fill, type IdentifierScheme, layoutOf, scheme } from "./scheme.ts";

/** Many registers' numbers end in Luhn's digit (France's SIREN and SIRET, Canada's SIN): the last to be asked. */
const luhn = scheme({
  name: "luhn",
  kind: "general",
  form: /^(\d{7,18})(\d)()$/,
  check: (body) => [luhnDigit(body)],
  body: (draw, like) => fill("#".repeat(like?.length ?? 9), draw),
});

/** National ones before the general one. */
export const identifierSchemes: readonly IdentifierScheme[] = [
  ...germany,
  ...austria,
  ...belgium,
  ...france,
  ...britain,
  ...italy,
  ...spain,
  ...netherlands,
  ...poland,
  ...unitedStates,
  ...malaysia,
  ...singapore,
  ...india,
  luhn,
];

const byName = new Map(identifierSchemes.map((known) => [known.name, known]));

/** Throws for a name that no scheme has. */
export function schemeNamed(name: string): IdentifierScheme {
  const known = byName.get(name);
  if (known === undefined) throw new Error(`There is no identifier scheme "${name}"`);
  return known;
}

/** The schemes that a printed number satisfies: form, check digits and, where these say too little, its grouping. */
export function schemesOf(printed: string): IdentifierScheme[] {
  const compact = compactOf(printed);
  const layout = layoutOf(printed);
  return identifierSchemes.filter(
    (known) => known.valid(compact) && (known.shownBy !== "layout" || known.layouts.includes(layout)),
  );
}

/** Whether a VAT number with its country's letters has that country's form, and whether its check digits are right. */
export function checkVat(number: string): "valid" | "form" | undefined {
  const ofCountry = identifierSchemes.filter(({ country }) => country !== undefined && number.startsWith(country));
  const like = ofCountry.filter(({ kind, name }) => kind === "vat" || name === "es-dni" || name === "es-nie");
  if (like.some((known) => known.valid(number))) return "valid";
  return like.some((known) => known.hasForm(number)) ? "form" : undefined;
}
