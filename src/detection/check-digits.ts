/** Check digits of numbers that persons and companies are known by. All functions take the bare digits and letters. */

/** Payment cards (ISO/IEC 7812-1, annex B: Luhn). */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  [...digits].reverse().forEach((digit, i) => {
    const value = Number(digit) * (i % 2 === 1 ? 2 : 1);
    sum += value > 9 ? value - 9 : value;
  });
  return digits.length > 0 && sum % 10 === 0;
}

/** ISO 7064 mod 11,10, as in German VAT numbers and tax ids. */
function passesMod1110(digits: string): boolean {
  let product = 10;
  for (const digit of digits.slice(0, -1)) {
    const sum = (Number(digit) + product) % 10 || 10;
    product = (2 * sum) % 11;
  }
  return (11 - product) % 10 === Number(digits.at(-1));
}

const weighted = (digits: string, weights: readonly number[]): number =>
  weights.reduce((sum, weight, i) => sum + weight * Number(digits[i]), 0);

const spanishLetters = "TRWAGMYFPDXBNJZSQVHLCKE";

/** Spanish DNI (12345678Z) and NIE (X1234567L): remainder of 23 as a letter. */
export function isSpanishId(id: string): boolean {
  const match = /^([XYZ]?)(\d{7,8})([A-Z])$/.exec(id);
  if (!match || match[1]!.length + match[2]!.length !== 8) return false;
  const lead = match[1] === "" ? "" : String("XYZ".indexOf(match[1]!));
  return spanishLetters[Number(lead + match[2]) % 23] === match[3];
}

/** Spanish CIF (A12345678). */
function isSpanishCompany(id: string): boolean {
  const match = /^([ABCDEFGHJNPQRSUVW])(\d{7})([\dA-J])$/.exec(id);
  if (!match) return false;
  const digits = [...match[2]!].map(Number);
  const sum = digits.reduce((total, digit, i) => {
    const value = i % 2 === 0 ? 2 * digit : digit;
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  const control = (10 - (sum % 10)) % 10;
  return match[3] === String(control) || match[3] === "JABCDEFGHI"[control];
}

/** Italian codice fiscale: positions valued by a table, sum modulo 26 as a letter (decree of 23 December 1976). */
export function isItalianFiscalCode(code: string): boolean {
  if (!/^[A-Z]{6}[\dLMNPQRSTUV]{2}[A-Z][\dLMNPQRSTUV]{2}[A-Z][\dLMNPQRSTUV]{3}[A-Z]$/.test(code)) return false;
  const odd = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
  let sum = 0;
  for (let i = 0; i < 15; i++) {
    const unit = code.charCodeAt(i);
    const value = unit < 65 ? unit - 48 : unit - 65;
    sum += i % 2 === 0 ? odd[value]! : value;
  }
  return code.charCodeAt(15) - 65 === sum % 26;
}

/** French social security number: 13 digits and 97 minus their remainder (Corsica's 2A and 2B count as 19 and 18). */
export function isFrenchSocialSecurity(id: string): boolean {
  const match = /^([12]\d{4})(2A|2B|\d{2})(\d{6})(\d{2})$/.exec(id);
  if (!match) return false;
  const department = match[2] === "2A" ? "19" : match[2] === "2B" ? "18" : match[2]!;
  return 97 - (Number(match[1]! + department + match[3]!) % 97) === Number(match[4]);
}

const vatForms: readonly { readonly form: RegExp; readonly check: (body: string) => boolean }[] = [
  { form: /^DE(\d{9})$/, check: passesMod1110 },
  {
    form: /^GB(\d{9})(?:\d{3})?$/,
    check: (body) => {
      const sum = weighted(body, [8, 7, 6, 5, 4, 3, 2]) + Number(body.slice(7));
      return sum % 97 === 0 || (sum + 55) % 97 === 0;
    },
  },
  { form: /^FR(\d{11})$/, check: (body) => Number(body.slice(0, 2)) === (12 + 3 * (Number(body.slice(2)) % 97)) % 97 },
  { form: /^IT(\d{11})$/, check: passesLuhn },
  { form: /^ES([A-Z\d]\d{7}[A-Z\d])$/, check: (body) => isSpanishCompany(body) || isSpanishId(body) },
  { form: /^NL(\d{9})B\d{2}$/, check: (body) => weighted(body, [9, 8, 7, 6, 5, 4, 3, 2]) % 11 === Number(body[8]) },
  { form: /^BE(0\d{9}|1\d{9})$/, check: (body) => 97 - (Number(body.slice(0, 8)) % 97) === Number(body.slice(8)) },
  {
    form: /^ATU(\d{8})$/,
    check: (body) => {
      const sum = [...body.slice(0, 7)].reduce((total, digit, i) => {
        const value = Number(digit) * (i % 2 === 1 ? 2 : 1);
        return total + (value > 9 ? value - 9 : value);
      }, 4);
      return (10 - (sum % 10)) % 10 === Number(body[7]);
    },
  },
];

/** Whether a VAT number has the form of its country, and whether its check digits are right. */
export function checkVat(number: string): "valid" | "form" | undefined {
  for (const { form, check } of vatForms) {
    const body = form.exec(number)?.[1];
    if (body !== undefined) return check(body) ? "valid" : "form";
  }
  return undefined;
}
