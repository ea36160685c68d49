/** Rules that values of custom recognizers are checked by, by name. */
import { isValidIBAN } from "ibantools";
import { isCardNumber } from "../identifiers/card.ts";
import { passesMrz } from "../identifiers/machine-readable.ts";
import { compactOf } from "../identifiers/scheme.ts";
import { checkVat, identifierSchemes, schemesOf } from "../identifiers/schemes.ts";
import { findDates } from "./date-shapes.ts";

export interface Validator {
  readonly name: string;
  /** Check digits, not only a form. */
  readonly sure: boolean;
  accepts(text: string): boolean;
}

const general: readonly Validator[] = [
  { name: "iban", sure: true, accepts: (text) => isValidIBAN(compactOf(text)) },
  { name: "card", sure: true, accepts: (text) => isCardNumber(compactOf(text)) },
  { name: "mrz", sure: true, accepts: (text) => passesMrz(text.trim()) },
  { name: "vat", sure: true, accepts: (text) => checkVat(compactOf(text)) === "valid" },
  { name: "date", sure: false, accepts: (text) => findDates(text).length > 0 },
  {
    name: "national",
    sure: true,
    accepts: (text) => schemesOf(text).some(({ kind, shownBy }) => kind !== "general" && shownBy === "check"),
  },
];

const validators = new Map<string, Validator>([
  ...general.map((validator) => [validator.name, validator] as const),
  ...identifierSchemes.map(
    ({ name, shownBy, valid }) =>
      [name, { name, sure: shownBy === "check", accepts: (text: string) => valid(compactOf(text)) }] as const,
  ),
]);

/** Undefined for a name that no rule has. */
export const validatorNamed = (name: string): Validator | undefined => validators.get(name);
