/** Malaysia. */
import { twoDigits } from "../check-digits.ts";
import { drawDate, fill, isDate, scheme } from "../scheme.ts";

export const malaysia = [
  // MyKad (Jabatan Pendaftaran Negara): date of birth, code of the place of birth, serial number.
  scheme({
    name: "my-kad",
    country: "MY",
    kind: "person",
    shownBy: "form",
    layouts: ["XXXXXX-XX-XXXX", "XXXXXXXXXXXX", "XXXXXX XX XXXX"],
    form: /^(\d{6}(?:0[1-9]|1[0-6]|2[1-9]|[345]\d|6[0-8]|7[124-9]|8[2-9]|9[0-389])\d{4})()()$/,
    accepts: (id) => isDate(id.slice(0, 6)),
    body: (draw) => drawDate(draw) + twoDigits(1 + draw(14)) + fill("####", draw),
  }),
];
