/** Germany. */
import { mod1110Digit } from "../check-digits.ts";
import { type Draw, fill, scheme } from "../scheme.ts";

/** Of the ten digits exactly one stands twice or three times, then not in one row, and the others at most once. */
function repeatsOnce(id: string): boolean {
  const ten = id.slice(0, 10);
  const repeated = [...new Set(ten)].map((digit) => ten.split(digit).length - 1).filter((count) => count > 1);
  return repeated.length === 1 && repeated[0]! <= 3 && !/(\d)\1\1/.test(ten);
}

/** Nine different digits, one of them a second time: numbers drawn at random seldom have the repetition. */
function tenDigits(draw: Draw): string {
  const digits = [..."0123456789"];
  const chosen = Array.from({ length: 9 }, () => digits.splice(draw(digits.length), 1)[0]!);
  chosen.splice(1 + draw(9), 0, chosen[draw(9)]!);
  return chosen.join("");
}

export const germany = [
  // Umsatzsteuer-Identifikationsnummer (Bundeszentralamt für Steuern): ISO 7064 MOD 11,10.
  scheme({
    name: "de-vat",
    country: "DE",
    kind: "vat",
    prefix: "DE",
    layouts: ["XXXXXXXXXXX", "XX XXX XXX XXX"],
    form: /^([1-9]\d{7})(\d)()$/,
    check: (body) => [mod1110Digit(body)],
    body: (draw) => fill("+########", draw),
  }),
  // Steuerliche Identifikationsnummer (§ 139b AO; Bundeszentralamt für Steuern, "Aufbau der Identifikationsnummer").
  scheme({
    name: "de-tax-id",
    country: "DE",
    kind: "tax",
    layouts: ["XX XXX XXX XXX", "XXXXXXXXXXX"],
    form: /^([1-9]\d{9})(\d)()$/,
    check: (body) => [mod1110Digit(body)],
    accepts: repeatsOnce,
    body: (draw) => `${tenDigits(draw)}0`,
  }),
];
