import { describe, expect, it } from "vitest";
import { drawShift, moveDate, plausibleDigits, readsDayFirst } from "../../src/replacement/fakes/date.ts";
import { keyedRandom } from "../../src/replacement/keyed-random.ts";
import { leakPattern, reveals } from "../../src/replacement/leak-pattern.ts";
import { plain } from "../../src/replacement/normalise.ts";
import { createPseudonymizer } from "../../src/replacement/pseudonyms.ts";
import { entitiesOf } from "./helpers/entities.ts";

const shift = (text: string, days: number, dayFirst = true, minutes = 90): string | undefined =>
  moveDate(text, dayFirst, { days, minutes });
const day = 86_400_000;
const text = (time: number): string => new Date(time).toISOString().slice(0, 10).split("-").reverse().join(".");
const timeOf = (date: string): number => Date.parse(date.split(".").reverse().join("-"));
const fakesOf = async (key: string, texts: readonly string[]): Promise<string[]> =>
  (await createPseudonymizer({ key }).replace(entitiesOf("date", texts), { pageTexts: texts })).map(({ fake }) => fake);

describe("a shifted date", () => {
  it.each([
    ["09/01/2019", -10, "30/12/2018"],
    ["9/1/2019", -10, "30/12/2018"],
    ["28.02.2020", 1, "29.02.2020"],
    ["2018-02-22", -53, "2017-12-31"],
    ["2018/02/22", 7, "2018/03/01"],
    ["18/03/18", 31, "18/04/18"],
    ["01-01-00", -1, "31-12-99"],
    ["20180223", 10, "20180305"],
    ["12 March 2018", -20, "20 February 2018"],
    ["12 MAR 2018", -20, "20 FEB 2018"],
    ["12-Mar-18", -20, "20-Feb-18"],
    ["March 5th, 2018", -4, "March 1st, 2018"],
    ["3. Mai 2019", 40, "12. Juni 2019"],
    ["14 juillet 1999", 30, "13 août 1999"],
    ["Dec 2018", -62, "Oct 2018"],
    ["03/2018", 40, "04/2018"],
    ["Sunday, 14 January 2018", 1, "Monday, 15 January 2018"],
    ["14/01/2018 (SUN)", -3, "11/01/2018 (THU)"],
    ["2018", -365, "2017"],
    ["l2/O3/2O18", 1, "13/03/2018"],
  ])("keeps its format: %s by %i days is %s", (text, days, expected) => {
    expect(shift(text, days)).toBe(expected);
  });

  it("reads the month first where told so, and by itself where the day can't be a month", () => {
    expect(shift("01/09/2019", 30, false)).toBe("02/08/2019");
    expect(shift("12/28/2017", 4, true)).toBe("01/01/2018");
  });

  it("moves the time within its half of the day", () => {
    expect(shift("09/01/2019 8:01:11 PM", 0)).toMatch(/^09\/01\/2019 9:31:\d\d PM$/);
    expect(shift("23-01-2019 13:14", 0)).toBe("23-01-2019 14:44");
    expect(shift("23-01-2019 11:14", 0)).toBe("23-01-2019 00:44");
    expect(shift("23-01-2019 11:14 am", 0)).toBe("23-01-2019 12:44 am");
  });

  it("moves as far in every document of a key, whatever other dates stand there", async () => {
    const documents = Array.from({ length: 50 }, (_, i) =>
      Array.from({ length: 6 }, (_unused, j) =>
        // Some of the others lie where its invented date does.
        text(j === 0 ? Date.UTC(2019, 2, 14) : Date.UTC(2019, 2, 14) - (410 + 23 * i + 2 * j) * day),
      ),
    );
    const by = new Set<number>();
    for (const texts of documents)
      for (const [i, fake] of (await fakesOf("k", texts)).entries()) by.add((timeOf(fake) - timeOf(texts[i]!)) / day);
    expect(by.size).toBe(1);
    const [days] = [...by];
    expect(days).toBeLessThanOrEqual(-410);
    expect(days).toBeGreaterThanOrEqual(-1050);
    expect(await fakesOf("another", ["14.03.2019"])).not.toEqual(await fakesOf("k", ["14.03.2019"]));
  });

  it("that has a year resembles its original under no key, however it is written", () => {
    const months = ["Jan", "Feb", "March", "April", "May", "June", "July", "August", "Sept", "October", "Nov", "Dec"];
    for (let i = 0; i < 1500; i++) {
      const moved = drawShift(keyedRandom(new Uint8Array([i % 256, i >> 8]), "shift"));
      const date = new Date(Date.UTC(1995, 0, 1 + 7 * i));
      const [y, m, d] = date.toISOString().slice(0, 10).split("-") as [string, string, string];
      const named = months[date.getUTCMonth()]!;
      const numeric = [`${d}.${m}.${y}`, `${d}/${m}/${y.slice(2)}`, `${y}-${m}-${d}`, `${m}/${y}`, y];
      for (const original of [...numeric, `${d} ${named} ${y}`, `${named} ${y}`]) {
        const fake = moveDate(original, true, moved)!;
        expect(reveals(plain(fake), leakPattern(plain(original))), `${original} → ${fake}`).toBe(false);
      }
    }
  });

  it("of a month or a year alone is shared by no two of them", async () => {
    for (let i = 0; i < 40; i++) {
      const texts = Array.from(
        { length: 36 },
        (_, j) => `${String((j % 12) + 1).padStart(2, "0")}/${2015 + Math.floor(j / 12)}`,
      );
      const years = Array.from({ length: 12 }, (_, j) => String(2009 + j));
      expect(new Set(await fakesOf(`key ${i}`, [...texts, ...years])).size).toBe(48);
    }
  });

  it("is a date of the calendar for every day and key", async () => {
    for (let i = 0; i < 400; i++) {
      const date = new Date(Date.UTC(1990, 0, 1 + i * 37));
      const text = date.toISOString().slice(0, 10);
      const maker = createPseudonymizer({ key: `key ${i % 7}` });
      const { fake } = (await maker.replace(entitiesOf("date", [text]), { pageTexts: [] }))[0]!;
      expect(fake).toMatch(/^\d{4}-\d{2}-\d{2}$/);
      expect(new Date(`${fake}T00:00:00Z`).toISOString().slice(0, 10)).toBe(fake);
      expect(fake).not.toBe(text);
    }
  });

  it("is still found in a statement with a date on every day", async () => {
    const texts = Array.from({ length: 90 }, (_, i) => new Date(Date.UTC(2021, 0, 1 + i)).toISOString().slice(0, 10));
    const made = await createPseudonymizer({ key: "k" }).replace(entitiesOf("date", texts), { pageTexts: texts });
    const fakes = made.map((r) => r.fake);
    expect(fakes.filter((fake) => texts.includes(fake))).toEqual([]);
    expect(new Set(fakes).size).toBe(90);
  });

  it("that can't be read gets digits that could be a date", () => {
    expect(shift("?? 34 / 99", 5)).toBeUndefined();
    expect(plausibleDigits("?? 34 / 99", keyedRandom(new Uint8Array([1]), "date"))).toMatch(
      /^\?\? (0[1-9]|1[0-2]) \/ (0[1-9]|1[0-2])$/,
    );
  });
});

describe("what was found as a date and is none", () => {
  it.each(["85.10.13", "47:12", "99/99/99", "VENDREDI", "..."])("%s gets another value all the same", async (text) => {
    const pseudonymizer = createPseudonymizer({ key: "secret" });
    const [replacement] = await pseudonymizer.replace(entitiesOf("date", [text]), { pageTexts: [text] });
    expect(replacement!.fake).not.toBe(text);
    expect(replacement!.fake).not.toBe("");
  });
});

describe("the order of day and month", () => {
  it("follows the first date that can be read one way only", () => {
    expect(readsDayFirst(["01/02/2019", "25/02/2019"])).toBe(true);
    expect(readsDayFirst(["01/02/2019", "02/25/2019"])).toBe(false);
    expect(readsDayFirst(["01/02/2019"])).toBeUndefined();
  });
});
