import { describe, expect, it } from "vitest";
import { readDate, readsDayFirst } from "../../src/replacement/fakes/date.ts";
import { keyedRandom } from "../../src/replacement/keyed-random.ts";
import { createPseudonymizer } from "../../src/replacement/pseudonyms.ts";
import { entitiesOf } from "./helpers/entities.ts";

const random = () => keyedRandom(new Uint8Array([1]), "date");
const shift = (text: string, days: number, dayFirst = true, minutes = 90): string =>
  readDate(text, dayFirst)({ days, minutes }, random());

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

  it("keeps intervals between all dates of a document", async () => {
    const day = 86_400_000;
    const originals = Array.from({ length: 6 }, (_, i) => new Date(Date.UTC(2018, 0, 5 + i * i * 11)));
    const text = (date: Date): string => date.toISOString().slice(0, 10).split("-").reverse().join("/");
    const fakes = await createPseudonymizer({ key: "k" }).replace(entitiesOf("date", originals.map(text)), {
      pageTexts: [],
    });
    const moved = fakes.map(({ fake }) => {
      const [d, m, y] = fake.split("/").map(Number);
      return Date.UTC(y!, m! - 1, d!);
    });
    const by = moved.map((time, i) => (time - originals[i]!.getTime()) / day);
    expect(new Set(by).size).toBe(1);
    expect(by[0]).toBeLessThanOrEqual(-31);
    expect(by[0]).toBeGreaterThan(-1100);
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
    expect(shift("?? 34 / 99", 5)).toMatch(/^\?\? (0[1-9]|1[0-2]) \/ (0[1-9]|1[0-2])$/);
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
