import { isValidBBAN, isValidIBAN } from "ibantools";
import { parsePhoneNumberFromString } from "libphonenumber-js/min";
import { describe, expect, it } from "vitest";
import type { EntityType } from "../../src/detection/entity.ts";
import { passesMrz } from "../../src/identifiers/machine-readable.ts";
import { schemesOf } from "../../src/identifiers/schemes.ts";
import { createPseudonymizer } from "../../src/replacement/pseudonyms.ts";
import { entitiesOf } from "./helpers/entities.ts";

const keys = Array.from({ length: 25 }, (_, i) => `key ${i}`);

/** The fakes of one original under many keys. */
const manyFakes = (type: EntityType, text: string): Promise<string[]> =>
  Promise.all(
    keys.map(async (key) => {
      const [made] = await createPseudonymizer({ key }).replace(entitiesOf(type, [text]), { pageTexts: [] });
      return made!.fake;
    }),
  );

/** "NO. 12a" → "AA. 99a". */
const shape = (text: string): string =>
  text
    .replace(/\p{Lu}/gu, "A")
    .replace(/\p{Ll}/gu, "a")
    .replace(/\d/g, "9");

/** Luhn's rule, written out anew. */
function luhn(number: string): boolean {
  const values = [...number.replace(/\D/g, "")]
    .reverse()
    .map((d, i) => (i % 2 === 1 ? [0, 2, 4, 6, 8, 1, 3, 5, 7, 9][Number(d)]! : Number(d)));
  return values.reduce((a, b) => a + b, 0) % 10 === 0;
}

describe("IBANs", () => {
  it.each([
    "DE89 3704 0044 0532 0130 00",
    "GB29NWBK60161331926819",
    "FR14 2004 1010 0505 0001 3M02 606",
    "ES91 2100 0418 4502 0005 1332",
    "IT60X0542811101000000123456",
    "NO93 8601 1117 947",
    "BE68-5390-0754-7034",
    "NL91 ABNA 0417 1643 00",
    "CH93 0076 2011 6238 5295 7",
  ])("stay valid, of the same country and in the same grouping: %s", async (original) => {
    for (const fake of await manyFakes("iban", original)) {
      const compact = fake.replace(/[^A-Z0-9]/g, "");
      expect(isValidIBAN(compact), fake).toBe(true);
      expect(isValidBBAN(compact.slice(4), compact.slice(0, 2)), fake).toBe(true);
      expect(fake.slice(0, 2)).toBe(original.slice(0, 2));
      expect(shape(fake)).toBe(shape(original));
    }
  });

  it("get right check digits even where the original was read wrongly", async () => {
    for (const fake of await manyFakes("iban", "DE88 3704 0044 0532 0130 00"))
      expect(isValidIBAN(fake.replace(/ /g, ""))).toBe(true);
  });
});

describe("card numbers", () => {
  it.each(["4111 1111 1111 1111", "5500-0055-5555-5559", "378282246310005", "6011 0009 9013 9424"])(
    "are Luhn-valid, of the same network and grouping: %s",
    async (original) => {
      for (const fake of await manyFakes("card", original)) {
        expect(luhn(fake), fake).toBe(true);
        expect(shape(fake)).toBe(shape(original));
        expect(fake.slice(0, 2)).toBe(original.slice(0, 2));
      }
    },
  );

  it("keep what is hidden hidden", async () => {
    for (const fake of await manyFakes("card", "**** **** **** 4242"))
      expect(fake).toMatch(/^\*{4} \*{4} \*{4} (?!4242)\d{4}$/);
  });
});

describe("identifiers", () => {
  it.each([
    ["de-vat", "DE 136 695 976"],
    ["de-tax-id", "36 574 261 809"],
    ["at-vat", "ATU13585627"],
    ["be-vat", "BE 0428.759.497"],
    ["fr-vat", "FR40 303 265 045"],
    ["fr-nir", "2 55 08 14 168 025 38"],
    ["gb-vat", "GB 980 7806 84"],
    ["gb-nino", "AA 12 34 56 A"],
    ["gb-driver", "MORGA 657054 SM9IJ 35"],
    ["gb-nhs", "943 476 5919"],
    ["gb-utr", "1955839661"],
    ["it-vat", "IT00743110157"],
    ["it-fiscal-code", "RSSMRA85T10A562S"],
    ["es-dni", "12345678-Z"],
    ["es-nie", "X-1234567-L"],
    ["es-cif", "A58818501"],
    ["es-cif", "Q2818002D"],
    ["nl-vat", "NL004495445B01"],
    ["nl-vat-2020", "NL000099998B57"],
    ["nl-bsn", "1112.22.333"],
    ["pl-nip", "856-734-62-15"],
    ["us-ssn", "123-45-6789"],
    ["us-itin", "912-90-3456"],
    ["us-ein", "12-3456789"],
    ["my-kad", "770305-02-1234"],
    ["sg-nric", "S1234567D"],
    ["sg-nric", "F1234567N"],
    ["in-gstin", "27AAPFU0939F1ZV"],
    ["in-pan", "AAAPL1234C"],
    ["in-aadhaar", "2341 2341 2346"],
    ["luhn", "4992739871-6"],
  ])("of the scheme %s stay of it, in their grouping: %s", async (name, original) => {
    expect(schemesOf(original).map((known) => known.name)).toContain(name);
    const satisfied = schemesOf(original);
    for (const fake of await manyFakes("id_number", original)) {
      for (const known of satisfied) expect(schemesOf(fake), `${fake} ${known.name}`).toContain(known);
      expect(fake.replace(/[A-Za-z\d]/g, "X")).toBe(original.replace(/[A-Za-z\d]/g, "X"));
      expect(fake).not.toBe(original);
    }
  });

  it("in machine-readable lines keep state, dates and check digits right", async () => {
    const original = "L898902C36UTO7408122F1204159ZE184226B<<<<<10";
    for (const fake of await manyFakes("id_number", original)) {
      expect(passesMrz(fake), fake).toBe(true);
      expect(fake.slice(10, 13)).toBe("UTO");
      expect(fake).toMatch(/^.{13}\d\d(0[1-9]|1[0-2])([01]\d|2[0-8])\dF/);
      expect(fake).not.toContain("L898902C3");
    }
  });

  it("without known check digits keep their pattern and their leading zeros", async () => {
    for (const fake of await manyFakes("id_number", "CS-00031180/a")) {
      expect(shape(fake)).toBe(shape("CS-00031180/a"));
      expect(fake.slice(3, 6)).toBe("000");
    }
  });

  it("that begin with a date of birth still do", async () => {
    for (const fake of await manyFakes("id_number", "880314-14-5523"))
      expect(fake).toMatch(/^\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d)-(0[1-9]|1[0-4])-\d{4}$/);
  });
});

describe("phone numbers", () => {
  it.each(["+60 12-345 6789", "+49 (0)30 901820", "07-355 2616", "(415) 555-2671", "03 8948.1234 ext 12"])(
    "keep their pattern and where they belong: %s",
    async (original) => {
      for (const fake of await manyFakes("phone", original)) {
        expect(shape(fake)).toBe(shape(original));
        expect(/^\D*0?\d/.exec(fake)![0]).toBe(/^\D*0?\d/.exec(original)![0]);
      }
    },
  );

  it("stay valid where the original was", async () => {
    for (const original of ["+60 12-345 6789", "+49 30 901820", "+1 415 555 2671", "+44 20 7946 0958"]) {
      expect(parsePhoneNumberFromString(original)!.isValid(), original).toBe(true);
      const valid = (await manyFakes("phone", original)).filter((fake) => parsePhoneNumberFromString(fake)?.isValid());
      expect(valid.length, original).toBeGreaterThanOrEqual(keys.length - 2);
    }
  });
});

describe("e-mail and web addresses", () => {
  it("lead to domains reserved for examples", async () => {
    for (const fake of await manyFakes("email", "john.smith_77@firma-meier.co.uk")) {
      expect(fake).toMatch(/^[a-z]+\.[a-z]+_\d\d@([a-z]+\.)?example\.(com|net|org)$/);
    }
    for (const fake of await manyFakes("url", "https://www.hong-kee.com.my/shop/a?id=12")) {
      expect(fake).toMatch(/^https:\/\/www\.[a-z]+\.example\.(com|net|org)\/[a-z]{4}\/[a-z]\?[a-z]{2}=\d\d$/);
    }
    for (const fake of await manyFakes("email", "john.smith (at) firma.de"))
      expect(fake).toMatch(/^[a-z]+\.[a-z]+ \(at\) ([a-z]+\.)?example\.(com|net|org)$/);
  });
});

describe("names", () => {
  it("of people keep titles, particles, initials, hyphens and order", async () => {
    for (const fake of await manyFakes("person", "Dr. Anna-Maria von Hohenberg"))
      expect(fake).toMatch(/^Dr\. \p{Lu}\p{Ll}+-\p{Lu}\p{Ll}+ von \p{Lu}\p{Ll}+$/u);
    for (const fake of await manyFakes("person", "SMITH, J. R.")) expect(fake).toMatch(/^[A-Z]+, [A-Z]\. [A-Z]\.$/);
    for (const fake of await manyFakes("person", "Ahmad bin Ismail"))
      expect(fake).toMatch(/^\p{Lu}\p{Ll}+ bin \p{Lu}\p{Ll}+$/u);
  });

  it.each([
    ["ABC HO TRADING SDN. BHD.", / SDN\. BHD\.$/],
    ["Müller & Söhne GmbH", /^\S+ & \S+ GmbH$/],
    ["Lindholm Bau GmbH & Co. KG", / GmbH & Co\. KG$/],
    ["Acme Widgets Inc.", / Inc\.$/],
    ["Café Paris S.A.R.L.", / S\.A\.R\.L\.$/],
  ])("of companies keep their legal form: %s", async (original, expected) => {
    for (const fake of await manyFakes("company", original)) expect(fake).toMatch(expected);
  });
});

describe("address lines", () => {
  it.each([
    ["NO.2&4,JALAN HARMONI 3/2,", /^NO\.\d&\d,JALAN [A-Z]{7} \d\/\d,$/],
    ["Hauptstraße 12b", /^\p{Lu}\p{Ll}+straße \d\d[a-z]$/u],
    [
      "10 Downing Street, London SW1A 2AA",
      /^\d\d \p{Lu}\p{Ll}{6} Street, \p{Lu}\p{Ll}{5} [A-Z]{2}\d[A-Z] \d[A-Z]{2}$/u,
    ],
    ["81100 JOHOR BAHRU JOHOR", /^\d{5} ([A-Z]{5}) [A-Z]{5} \1$/],
    ["P.O. Box 4711, 20095 Hamburg", /^P\.O\. Box \d{4}, \d{5} \p{Lu}\p{Ll}{6}$/u],
  ])("keep their frame: %s", async (original, expected) => {
    for (const fake of await manyFakes("address", original)) expect(fake).toMatch(expected);
  });

  it("change every house number", async () => {
    for (const fake of await manyFakes("address", "Lot 7, Jalan 5")) expect(fake).not.toMatch(/\b7,|\b5$/);
  });
});
