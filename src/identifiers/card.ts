/** Payment card numbers (ISO/IEC 7812-1). */
import { luhnDigit, passesLuhn } from "./check-digits.ts";
import { type Draw, fill } from "./scheme.ts";

/** First digits and lengths of Visa, Mastercard, American Express, Discover, UnionPay, Diners; barcodes have others. */
const issuer =
  /^(?:4(?:\d{12}|\d{15})|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[012])\d{13}|3[47]\d{13}|(?:6011|64[4-9]\d|65\d\d)\d{12}|62\d{14}|3(?:0[0-5]|[689]\d)\d{11})$/;

/** Bare digits with the first digits of an issuer and a right check digit; not one digit all along. */
export const isCardNumber = (digits: string): boolean =>
  issuer.test(digits) && passesLuhn(digits) && !/^(\d)\1+$/.test(digits);

/** `digits` with the last one replaced by the right check digit. */
export function completeCard(digits: string): string {
  const body = digits.slice(0, -1);
  return body + luhnDigit(body);
}

/** 16 digits, Visa or Mastercard by prefix. */
export const inventCard = (draw: Draw): string => {
  const prefix = draw(20) < 11 ? "4" : `5${1 + draw(5)}`;
  return completeCard(fill(prefix.padEnd(16, "#"), draw));
};
