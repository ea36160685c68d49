/** What holds for invented values of anything at all. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { isValidIBAN } from "ibantools";
import { describe, expect, it } from "vitest";
import type { EntityType } from "../../src/detection/entity.ts";
import { entityTypes } from "../../src/detection/entity.ts";
import { completeCard } from "../../src/identifiers/card.ts";
import { passesLuhn } from "../../src/identifiers/check-digits.ts";
import { completeIban } from "../../src/identifiers/iban.ts";
import { schemesOf } from "../../src/identifiers/schemes.ts";
import { plain } from "../../src/replacement/normalise.ts";
import { type Claim, HashedOwners } from "../../src/replacement/owners.ts";
import { createPseudonymizer, sharesNobody } from "../../src/replacement/pseudonyms.ts";
import { similarity } from "../../src/text/similarity.ts";
import { entitiesOf } from "./helpers/entities.ts";

const runs = { numRuns: 60 };
const key = fc.string({ minLength: 16, maxLength: 40 });
const letters = (minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(..."abdefghiklmnoprstuwäéñø"), minLength, maxLength });
const name = fc.tuple(letters(4, 9), letters(5, 11)).map((words) => words.map(capital).join(" "));
const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
const digits = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: length, maxLength: length });

/** Values as they stand on documents, by type. */
const dates = fc
  .date({ min: new Date("1990-01-01"), max: new Date("2030-12-31"), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10));
const values: Readonly<Record<EntityType, fc.Arbitrary<string>>> = {
  person: name,
  company: name.map((text) => `${text} GmbH`),
  address: fc
    .tuple(letters(5, 12), fc.integer({ min: 1, max: 299 }), digits(5), letters(5, 9))
    .map(([street, number, code, town]) => `${capital(street)} Street ${number}, ${code} ${capital(town)}`),
  phone: digits(9).map((d) => `+49 ${d.slice(0, 3)} ${d.slice(3)}`),
  email: fc.tuple(letters(3, 8), letters(4, 8)).map(([a, b]) => `${plain(a)}@${plain(b)}.com`),
  url: letters(6, 12).map((host) => `www.${plain(host)}.com`),
  date: dates,
  birth_date: dates,
  iban: digits(18).map((account) => completeIban(`DE00${account}`)),
  card: digits(14).map((rest) => completeCard(`4${rest}0`)),
  tax_id: digits(9),
  id_number: digits(8).map((d) => `CS${d}`),
  licence_plate: digits(4).map((d) => `B-XK ${d}`),
};

const fakesOf = async (secret: string, type: EntityType, texts: readonly string[], owners?: HashedOwners) =>
  (
    await createPseudonymizer({ key: secret }).replace(entitiesOf(type, texts), {
      pageTexts: [],
      ...(owners && { owners }),
    })
  ).map(({ fake }) => fake);
const fakeOf = async (secret: string, type: EntityType, text: string): Promise<string> =>
  (await fakesOf(secret, type, [text]))[0]!;

/** Upper and lower case and digits, everything else as it is. */
const kinds = (text: string): string =>
  text
    .replace(/\p{Lu}/gu, "A")
    .replace(/\p{Ll}/gu, "a")
    .replace(/\d/gu, "9");

describe.each([...entityTypes])("an invented %s", (type) => {
  it("follows from key and value alone", () =>
    fc.assert(
      fc.asyncProperty(key, values[type], async (secret, text) => {
        expect(await fakeOf(secret, type, text)).toBe(await fakeOf(secret, type, text));
      }),
      runs,
    ));

  it("is never the original, nor nearly", () =>
    fc.assert(
      fc.asyncProperty(key, values[type], async (secret, text) => {
        const fake = await fakeOf(secret, type, text);
        expect(plain(fake)).not.toBe(plain(text));
        expect(similarity(plain(fake), plain(text))).toBeLessThan(0.8);
      }),
      runs,
    ));

  it("is never shared by two originals of a document", () =>
    fc.assert(
      fc.asyncProperty(
        key,
        fc.uniqueArray(values[type], { minLength: 2, maxLength: 12, selector: plain }),
        async (secret, texts) => {
          const fakes = await fakesOf(secret, type, texts);
          expect(new Set(fakes.map(plain)).size).toBe(texts.length);
          // Nor is it anybody's original; dates move by one interval, and may meet another one.
          if (type === "date" || type === "birth_date") return;
          const originals = new Set(texts.map(plain));
          expect(fakes.filter((fake) => originals.has(plain(fake)))).toEqual([]);
        },
      ),
      { numRuns: 25 },
    ));
});

describe("the form of a value", () => {
  it.each(["phone", "iban", "card", "id_number", "tax_id", "date"] as const)(
    "of type %s stays character for character",
    (type) =>
      fc.assert(
        fc.asyncProperty(key, values[type], async (secret, text) => {
          expect(kinds(await fakeOf(secret, type, text))).toBe(kinds(text));
        }),
        runs,
      ),
  );

  it("keeps check digits: IBAN, cards, and every scheme that a number satisfies", () =>
    fc.assert(
      fc.asyncProperty(key, values.iban, values.card, values.tax_id, async (secret, iban, card, number) => {
        expect(isValidIBAN(await fakeOf(secret, "iban", iban))).toBe(true);
        expect(passesLuhn(await fakeOf(secret, "card", card))).toBe(true);
        const [scheme] = schemesOf(number);
        if (scheme)
          expect(schemesOf(await fakeOf(secret, "tax_id", number)).map(({ name: of }) => of)).toContain(scheme.name);
      }),
      runs,
    ));

  it("keeps names in words and in their case, e-mail and web addresses such that nobody has them", () =>
    fc.assert(
      fc.asyncProperty(key, values.person, values.email, values.url, async (secret, person, email, url) => {
        expect(await fakeOf(secret, "person", person)).toMatch(/^\p{Lu}\p{Ll}+ \p{Lu}\p{Ll}+$/u);
        const upper = await fakeOf(secret, "person", person.toUpperCase());
        expect(upper).toBe(upper.toUpperCase());
        expect(await fakeOf(secret, "email", email)).toMatch(/^[^@\s]+@([a-z]+\.)?example\.(com|net|org)$/);
        expect(await fakeOf(secret, "url", url)).toMatch(/^www\.[a-z]+\.example\.(com|net|org)$/);
      }),
      runs,
    ));

  it("keeps the intervals of all dates of a document, and every date one of the calendar", () =>
    fc.assert(
      fc.asyncProperty(key, fc.uniqueArray(values.date, { minLength: 2, maxLength: 9 }), async (secret, texts) => {
        const fakes = await fakesOf(secret, "date", texts);
        const day = (text: string): number => Date.parse(`${text}T00:00:00Z`) / 86_400_000;
        const moved = fakes.map((fake, i) => day(fake) - day(texts[i]!));
        expect(new Set(moved).size).toBe(1);
        for (const fake of fakes) expect(new Date(`${fake}T00:00:00Z`).toISOString().slice(0, 10)).toBe(fake);
      }),
      runs,
    ));
});

describe("over many documents", () => {
  it("nobody shares an invented value, in one run or in one that goes on from it", () =>
    fc.assert(
      fc.asyncProperty(
        key,
        fc.uniqueArray(values.person, { minLength: 20, maxLength: 40, selector: plain }),
        async (secret, texts) => {
          const half = texts.length / 2;
          const claims: Claim[] = [];
          const owners = new HashedOwners(secret);
          const first: string[] = [];
          for (const text of texts.slice(0, half)) first.push(...(await fakesOf(secret, "person", [text], owners)));
          claims.push(...owners.takeFresh());
          expect(owners.takeFresh()).toEqual([]);
          const later = new HashedOwners(secret, claims);
          const second: string[] = [];
          for (const text of texts.slice(half)) second.push(...(await fakesOf(secret, "person", [text], later)));
          expect(new Set([...first, ...second].map(plain)).size).toBe(texts.length);
          // Who had one keeps it.
          for (const [i, text] of texts.slice(0, half).entries())
            expect(await fakesOf(secret, "person", [text], later)).toEqual([first[i]]);
          for (const claim of claims) for (const text of texts) expect(claim.join()).not.toContain(plain(text));
        },
      ),
      { numRuns: 8 },
    ));

  it("a value that is taken already is passed over", async () => {
    const secret = "a key for taken values";
    const taken = await fakeOf(secret, "person", "Jonas Birk");
    const owners = new HashedOwners(secret);
    owners.claim(plain(taken), "somebody else");
    const [other] = await fakesOf(secret, "person", ["Jonas Birk"], owners);
    expect(plain(other!)).not.toBe(plain(taken));
    // Another key knows nothing of the claim.
    const [same] = await fakesOf(secret, "person", ["Jonas Birk"], new HashedOwners("another key", owners.takeFresh()));
    expect(same).toBe(taken);
  });
});

const receipts = join(resolve(import.meta.dirname, "../../.."), "shared", "data", "receipts", "manifest.json");
if (!existsSync(receipts)) console.log(`skipped: ${receipts} is not there`);

describe.skipIf(!existsSync(receipts))("on the values of real receipts", () => {
  it("another key gives nothing that the first one gave, except where nobody is named", async () => {
    const { items } = JSON.parse(readFileSync(receipts, "utf8")) as {
      items: { lines: { text: string; field?: string }[] }[];
    };
    for (const type of ["company", "address", "date"] as const) {
      const lines = items.flatMap((item) => item.lines.filter(({ field }) => field === type).map(({ text }) => text));
      const texts = [...new Map(lines.map((text) => [plain(text), text])).values()];
      const [one, other] = [[] as string[], [] as string[]];
      for (const text of texts) {
        one.push(await fakeOf("the first key for receipts", type, text));
        other.push(await fakeOf("the other key for receipts", type, text));
      }
      const first = new Set(one.map(plain));
      const shared = other.filter((fake) => first.has(plain(fake)));
      expect(texts.length).toBeGreaterThan(50);
      expect(
        shared.filter((fake) => type === "date" || !sharesNobody(type, fake)),
        type,
      ).toEqual([]);
    }
  });
});
