/** Spain. */
import { luhnDigit, remainder, twoDigits } from "../check-digits.ts";
import { fill, pickFrom, scheme } from "../scheme.ts";

/** Letter of a number's remainder of 23 (Ministerio del Interior, "Cálculo del dígito de control del NIF/NIE"). */
const letterOf = (digits: string): string => "TRWAGMYFPDXBNJZSQVHLCKE"[Number(digits) % 23]!;

export const spain = [
  // Documento nacional de identidad.
  scheme({
    name: "es-dni",
    country: "ES",
    kind: "person",
    prefix: "ES",
    prefixOptional: true,
    layouts: ["XXXXXXXXX", "XXXXXXXX-X", "XXXXXXXX X"],
    form: /^(\d{8})([A-Z])()$/,
    check: (digits) => [letterOf(digits)],
    body: (draw) => fill("########@", draw),
  }),
  // Número de identidad de extranjero (X, Y, Z count 0, 1, 2); K, L and M lead numbers of persons without a DNI.
  scheme({
    name: "es-nie",
    country: "ES",
    kind: "person",
    prefix: "ES",
    prefixOptional: true,
    layouts: ["XXXXXXXXX", "X-XXXXXXX-X", "X-XXXXXXXX"],
    form: /^([KLMXYZ]\d{7})([A-Z])()$/,
    check: (body) => [letterOf(body.replace(/^[KLMXYZ]/, (lead) => ({ Y: "1", Z: "2" })[lead] ?? "0"))],
    body: (draw, like) => fill(`${like?.[0] ?? pickFrom("XYZ", draw)}#######`, draw) + pickFrom("ABC", draw),
  }),
  // Código de identificación fiscal of an organisation: Luhn's digit, or the letter of the same place (Orden EHA/451/2008).
  scheme({
    name: "es-cif",
    country: "ES",
    kind: "vat",
    prefix: "ES",
    prefixOptional: true,
    layouts: ["XXXXXXXXX", "X-XXXXXXXX"],
    form: /^([ABCDEFGHJNPQRSUVW]\d{7})([\dA-J])()$/,
    check: (body) => {
      const digit = luhnDigit(body.slice(1));
      return [digit, "JABCDEFGHI"[Number(digit)]!];
    },
    body: (draw, like) =>
      fill(`${like?.[0] ?? pickFrom("AB", draw)}#######`, draw) + (like && /[A-J]$/.test(like) ? "A" : "0"),
  }),
  // Número de la Seguridad Social (Tesorería General): province and number modulo 97; numbers below ten million without
  // their leading zero.
  scheme({
    name: "es-social-security",
    country: "ES",
    kind: "person",
    layouts: ["XXXXXXXXXXXX", "XX/XXXXXXXX/XX", "XX XXXXXXXX XX", "XX/XXXXXXXXXX"],
    form: /^((?:0[1-9]|[1-4]\d|5[0-3]|66)\d{8})(\d\d)()$/,
    check: (body) => [twoDigits(remainder(body[2] === "0" ? body.slice(0, 2) + body.slice(3) : body, 97))],
    body: (draw) => `${twoDigits(1 + draw(50))}${fill("##########", draw)}`,
  }),
];
