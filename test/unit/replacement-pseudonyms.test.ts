import { distance } from "fastest-levenshtein";
import { describe, expect, it } from "vitest";
import type { EntityType } from "../../src/detection/entity.ts";
import { plain } from "../../src/replacement/normalise.ts";
import { createPseudonymizer } from "../../src/replacement/pseudonyms.ts";
import { entitiesOf } from "./helpers/entities.ts";

const pseudonymizer = createPseudonymizer({ key: "a key for tests" });

async function fakesOf(
  type: EntityType,
  texts: readonly string[],
  key = "a key for tests",
  pageTexts: string[] = [],
): Promise<string[]> {
  const maker = key === "a key for tests" ? pseudonymizer : createPseudonymizer({ key });
  return (await maker.replace(entitiesOf(type, texts), { pageTexts })).map((r) => r.fake);
}

const closeness = (a: string, b: string): number => 1 - distance(a, b) / Math.max(a.length, b.length);

/** Values of a type, all different: the index is spelled into them. */
const letters = (i: number): string => [0, 1, 2].map((k) => "BCDFGHKLMNPRSTVW"[Math.floor(i / 16 ** k) % 16]!).join("");
const digits = (i: number, length: number): string =>
  String((i * 7_919_131 + 12_345_671) % 10 ** length).padStart(length, "0");
const samples: Record<Exclude<EntityType, "date" | "birth_date">, (i: number) => string> = {
  person: (i) => `${letters(i)}ANDO ${letters(i * 7 + 3)}ERSEN`,
  company: (i) => `${letters(i)}IRO ${letters(i * 5 + 1)}ATEC SDN BHD`,
  address: (i) => `NO. ${1 + (i % 300)}, JALAN ${letters(i)}ARATI ${1 + (i % 60)}/${1 + (i % 9)}, ${digits(i, 5)}`,
  phone: (i) => `0${1 + (i % 8)}-${digits(i, 4)} ${digits(i * 3 + 1, 4)}`,
  email: (i) => `${letters(i).toLowerCase()}ola.${letters(i * 3).toLowerCase()}ek@mail${i % 10}.com`,
  url: (i) => `www.${letters(i).toLowerCase()}olatec${i % 10}.com.my`,
  iban: (i) =>
    `DE${digits(i, 2)} ${digits(i * 11, 4)} ${digits(i * 13, 4)} ${digits(i * 17, 4)} ${digits(i * 19, 4)} ${digits(i, 2)}`,
  card: (i) => `4${digits(i, 3)} ${digits(i * 11, 4)} ${digits(i * 13, 4)} ${digits(i * 17, 4)}`,
  tax_id: (i) => `${digits(i, 9)}-K`,
  id_number: (i) => `CS${digits(i, 8)}`,
  licence_plate: (i) => `${letters(i)} ${digits(i, 4)} ${letters(i * 7)[0]}`,
};
const types = Object.keys(samples) as (keyof typeof samples)[];
const count = 250;

describe.each(types)("invented values of type %s", async (type) => {
  const originals = [...new Set(Array.from({ length: count }, (_, i) => samples[type](i)))];
  const fakes = await fakesOf(type, originals);

  it("are the same in every run with one key, alone or among others", async () => {
    expect(await fakesOf(type, originals)).toEqual(fakes);
    const alone = await Promise.all(originals.map(async (text) => (await fakesOf(type, [text]))[0]!));
    const kept = alone.filter((fake, i) => fake === fakes[i]).length;
    // Only a value whose first choice met another one of the same document may differ.
    expect(kept).toBeGreaterThan(originals.length * 0.9);
  });

  it("are different for different originals", () => {
    expect(new Set(fakes.map(plain)).size).toBe(originals.length);
  });

  it("are not near any original, nor hold one", () => {
    const bare = originals.map(plain);
    const near = fakes.filter((fake) => bare.some((o) => closeness(plain(fake), o) >= 0.8 || plain(fake).includes(o)));
    expect(near).toEqual([]);
  });

  it("are of about the same length", () => {
    fakes.forEach((fake, i) => {
      expect(Math.abs(fake.length - originals[i]!.length)).toBeLessThanOrEqual(
        Math.max(2, originals[i]!.length * 0.25),
      );
    });
  });

  it("tell nothing across keys", async () => {
    const others = await fakesOf(type, originals, "another key");
    const same = others.filter((fake, i) => fake === fakes[i]).length;
    expect(same).toBeLessThanOrEqual(originals.length * 0.02);
  });

  it("follow the value, not its case, spacing and punctuation", async () => {
    const text = originals[7]!;
    const variants = [text, text.toUpperCase(), text.toLowerCase(), text.replace(/ /g, "  "), `${text},`];
    expect(new Set((await fakesOf(type, variants)).map(plain)).size).toBe(1);
    const apart = await Promise.all(variants.map(async (variant) => plain((await fakesOf(type, [variant]))[0]!)));
    expect(new Set(apart).size).toBe(1);
  });

  it("keep the letter case", async () => {
    const text = originals[3]!;
    const upper = (await fakesOf(type, [text.toUpperCase()]))[0]!;
    const lower = (await fakesOf(type, [text.toLowerCase()]))[0]!;
    expect(upper).toBe(upper.toUpperCase());
    expect(lower).toBe(lower.toLowerCase());
  });
});

describe("the whole document", () => {
  it("gives one person one name with or without title and lost spaces", async () => {
    const [a, b, c, d] = await fakesOf("person", [
      "Mr. Jonas Kalwitz",
      "JONAS  KALWITZ",
      "jonas kalwitz",
      "JonasKalwitz",
    ]);
    expect(a).toMatch(/^Mr\. \p{Lu}\p{Ll}+ \p{Lu}\p{Ll}+$/u);
    expect(plain(a!.slice(4))).toBe(plain(b!));
    expect(c).toBe(b!.replace(/ +/, " ").toLowerCase());
    expect(plain(d!)).toBe(plain(b!));
    expect(d).not.toMatch(/\s/);
  });

  it("mixes types: no fake of one type reveals an original of another", async () => {
    const entities = [
      ...entitiesOf("person", ["MARKET KALWITZ", "Anna Berg"]),
      ...entitiesOf("company", ["ANNA BERG SDN BHD", "SDN BHD", "MARKET"], 2),
      ...entitiesOf("address", ["12 ANNA STREET", "MARKET"], 5),
    ];
    const replacements = await pseudonymizer.replace(entities, { pageTexts: [] });
    expect(replacements.map((r) => r.entity)).toEqual(entities);
    for (const { fake } of replacements)
      for (const text of ["marketkalwitz", "annaberg"]) expect(plain(fake)).not.toContain(text);
    expect(replacements[2]!.fake).toMatch(/ SDN BHD$/);
    expect(replacements[3]!.fake).not.toBe("SDN BHD");
  });

  it("invents nothing that already stands on a page", async () => {
    const text = "Olga Sandmann";
    const [first] = await fakesOf("person", [text]);
    const [second] = await fakesOf("person", [text], undefined, [`paid to ${first!.toUpperCase()} in cash`]);
    expect(plain(second!)).not.toBe(plain(first!));
  });

  it.each(types)(
    "takes another value of type %s when the first choice is nearly an original of the document",
    async (type) => {
      const text = samples[type](5);
      const [first] = await fakesOf(type, [text]);
      // The original of another entity is the first choice with one character more.
      const near = type === "card" || type === "iban" ? first! : `${first}7`;
      const [second] = await fakesOf(type, [text, near]);
      expect(closeness(plain(second!), plain(near))).toBeLessThan(0.8);
      expect((await fakesOf(type, [text, near]))[0]).toBe(second);
    },
  );

  it("takes another value when the first choice holds an original", async () => {
    const [first] = await fakesOf("company", ["Kalwitz Sandmann Trading Sdn Bhd"]);
    const inside = first!.split(" ")[1]!;
    expect(inside.length).toBeGreaterThan(4);
    const [second] = await fakesOf("company", ["Kalwitz Sandmann Trading Sdn Bhd", inside]);
    expect(plain(second!)).not.toContain(plain(inside));
  });

  it("is untouched by the application's own use of faker", async () => {
    const { faker } = await import("@faker-js/faker/locale/en");
    faker.seed(5);
    const expected = faker.person.fullName();
    faker.seed(5);
    const before = await fakesOf("person", ["Clara Lindholm"]);
    expect(faker.person.fullName()).toBe(expected);
    faker.seed(77);
    expect(await fakesOf("person", ["Clara Lindholm"])).toEqual(before);
  });
});

describe("limits", () => {
  it("names type and entity but no text when nothing is left to invent", async () => {
    const all = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];
    await expect(fakesOf("id_number", all)).rejects.toThrow(
      expect.objectContaining({
        code: "ERR_PSEUDONYM_EXHAUSTED",
        details: expect.objectContaining({ type: "id_number" }),
      }),
    );
  });

  it("takes odd texts: blank, punctuation, other scripts, very long", async () => {
    const odd = ["張偉", "Олег Петров", "O'Neil-Smyth", "x", "a".repeat(500), "Ångström Jürgen", "1", "ß", "---"];
    for (const type of types) {
      const fakes = await fakesOf(type, odd);
      fakes.forEach((fake, i) => {
        expect(fake, `${type} ${i}`).not.toBe(odd[i]);
        expect(fake.trim(), `${type} ${i}`).not.toBe("");
      });
    }
  });

  it("refuses an empty key and unknown locales", () => {
    expect(() => createPseudonymizer({ key: "" })).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }));
    expect(() => createPseudonymizer({ key: "k", locale: "xx" })).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }),
    );
    expect(() => createPseudonymizer({ key: "k", locale: "../en" })).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }),
    );
  });

  it("takes a key as text or as its bytes, and names of another locale", async () => {
    const bytes = createPseudonymizer({ key: new TextEncoder().encode("a key for tests") });
    expect((await bytes.replace(entitiesOf("person", ["Clara Lindholm"]), { pageTexts: [] }))[0]!.fake).toBe(
      (await fakesOf("person", ["Clara Lindholm"]))[0],
    );
    const german = createPseudonymizer({ key: "a key for tests", locale: "de" });
    expect((await german.replace(entitiesOf("person", ["Clara Lindholm"]), { pageTexts: [] }))[0]!.fake).toMatch(
      /^\p{Lu}\p{Ll}+ \p{Lu}\p{Ll}+$/u,
    );
  });
});
