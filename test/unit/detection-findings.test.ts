/** Dates of birth, licence plates, staff names in seven languages, and what findings say about themselves. */
import { describe, expect, it } from "vitest";
import { createDetector } from "../../src/detection/detector.ts";
import type { EntityType } from "../../src/detection/entity.ts";
import { likePlate, plateFormsOf } from "../../src/identifiers/licence-plates.ts";
import { Random } from "../../src/random/random.ts";
import { createPseudonymizer } from "../../src/replacement/pseudonyms.ts";
import { columnsOf as page } from "./helpers/ocr-page.ts";

const found = async (type: EntityType, ...rows: string[]): Promise<string[]> =>
  (await createDetector({ types: [type] }).detect(page(...rows), 0)).map((entity) => entity.text);

describe("dates of birth", () => {
  it.each([
    ["Date of birth: 03/05/1980", "03/05/1980"],
    ["DOB 12-11-1975", "12-11-1975"],
    ["Geburtsdatum: 3. Mai 1980", "3. Mai 1980"],
    ["geboren am 03.05.1980", "03.05.1980"],
    ["Date de naissance : 14 juillet 1962", "14 juillet 1962"],
    ["Né le 14/07/1962", "14/07/1962"],
    ["Fecha de nacimiento: 3 de mayo de 1980", "3 de mayo de 1980"],
    ["Data di nascita 03/05/1980", "03/05/1980"],
    ["Geboortedatum: 03-05-1980", "03-05-1980"],
    ["Tarikh lahir: 3 Mei 1980", "3 Mei 1980"],
    ["Place and date of birth: Berlin, 03.05.1980", "03.05.1980"],
  ])("in '%s'", async (text, value) => {
    expect(await found("birth_date", text)).toEqual([value]);
  });

  it("stand under their label, and in sentences", async () => {
    expect(await found("birth_date", "Date of birth", "03/05/1980")).toEqual(["03/05/1980"]);
    const sentence = "we confirm that the patient, who was born on 3 May 1980 and lives here, was seen";
    expect(await found("birth_date", sentence)).toEqual(["3 May 1980"]);
  });

  it("are no other dates", async () => {
    for (const text of ["Invoice date: 03/05/2020", "Date 03/05/1980", "born to run 1980 times"])
      expect(await found("birth_date", text)).toEqual([]);
    const all = await createDetector().detect(page("Date of birth: 03/05/1980", "Invoice date: 03/06/2020"), 0);
    expect(all.map(({ type }) => type)).toEqual(["birth_date", "date"]);
  });

  it("move with the other dates, with and without their label", async () => {
    const rows = page("Date of birth: 03/05/1980", "Printed on 13/05/1980", "seen 03/05/1980 again");
    const entities = await createDetector({ types: ["birth_date", "date"] }).detect(rows, 0);
    expect(entities.map(({ type }) => type)).toEqual(["birth_date", "date", "date"]);
    const made = await createPseudonymizer({ key: "k".repeat(20) }).replace(entities, { pageTexts: [] });
    expect(made[0]!.fake).toBe(made[2]!.fake);
    const [day, month, year] = made[0]!.fake.split("/").map(Number) as [number, number, number];
    const [day2, month2, year2] = made[1]!.fake.split("/").map(Number) as [number, number, number];
    expect((Date.UTC(year2, month2 - 1, day2) - Date.UTC(year, month - 1, day)) / 86_400_000).toBe(10);
  });
});

describe("licence plates", () => {
  it.each([
    ["Vehicle No: WXY 1234", ["WXY 1234"]],
    ["Car plate: SBS 3229 P", ["SBS 3229 P"]],
    ["Kennzeichen: B-AB 1234", ["B-AB 1234"]],
    ["Immatriculation : AB-123-CD", ["AB-123-CD"]],
    ["Matrícula: 1234 BCD", ["1234 BCD"]],
    ["Targa: AB 123 CD", ["AB 123 CD"]],
    ["Kenteken 12-GBK-3", ["12-GBK-3"]],
    ["No. Plat: JHB 8821", ["JHB 8821"]],
    ["License plate 7ABC123 blue", ["7ABC123"]],
    ["Reg. mark of the car: seen AB12 CDE", []],
    // Forms of their own.
    ["parked MH 12 AB 1234 today", ["MH 12 AB 1234"]],
    ["parked AB-123-CD today", ["AB-123-CD"]],
    ["parked SBS 3229 P today", ["SBS 3229 P"]],
    ["parked SBS 3229 R today", []],
    ["ITEM AB123CD 2 PCS", []],
    ["Vehicle: 12.50", []],
  ])("in '%s' are %j", async (text, values) => {
    expect(await found("licence_plate", text)).toEqual(values);
  });

  it("are replaced by plates of the same form", () => {
    const random = new Random("plates");
    const draw = (limit: number): number => random.below(limit);
    for (const plate of ["SBS 3229 P", "AB-123-CD", "AB12 CDE", "1234 BCD", "12-GBK-3", "MH 12 AB 1234", "B-AB 1234"]) {
      const country = plateFormsOf(plate)[0]!.country;
      for (let i = 0; i < 50; i++) {
        const made = likePlate(plate, draw)!;
        expect(made).not.toBe(plate);
        expect(plateFormsOf(made).map((form) => form.country)).toContain(country);
        expect(made.replace(/[A-Z]/g, "A").replace(/\d/g, "0")).toBe(plate.replace(/[A-Z]/g, "A").replace(/\d/g, "0"));
      }
    }
    expect(likePlate("nothing like it", draw)).toBeUndefined();
    expect(likePlate("sbs 3229 p", draw)).toMatch(/^s[a-z]{2} \d{4} [a-z]$/);
  });

  it("of Singapore refuse a changed digit", () => {
    const passes = (plate: string): boolean => plateFormsOf(plate).some(({ country }) => country === "SG");
    expect(passes("SBS3229P")).toBe(true);
    for (let at = 3; at < 7; at++) {
      for (const digit of "0123456789") {
        if (digit === "SBS3229P"[at]) continue;
        expect(passes(`${"SBS3229P".slice(0, at)}${digit}${"SBS3229P".slice(at + 1)}`)).toBe(false);
      }
    }
  });
});

describe("staff and members", () => {
  it.each([
    ["Cashier: Aminah Yusof", "Aminah Yusof"],
    ["You were served by: Karen", "Karen"],
    ["Member name: LIM SU YIN", "LIM SU YIN"],
    ["Es bediente Sie: Frau Krause", "Frau Krause"],
    ["Ihr Berater: Jonas Becker", "Jonas Becker"],
    ["Vous avez été servi par : Amélie", "Amélie"],
    ["Nom du client : Julie Mercier", "Julie Mercier"],
    ["Le ha atendido: Pablo Ruiz", "Pablo Ruiz"],
    ["Nombre del socio: Elena Vidal", "Elena Vidal"],
    ["Servito da: Giulia", "Giulia"],
    ["Addetto: Marco Villa", "Marco Villa"],
    ["U werd geholpen door: Sanne", "Sanne"],
    ["Juruwang: Siti Aishah", "Siti Aishah"],
    ["Dilayan oleh: Farid", "Farid"],
  ])("in '%s'", async (text, value) => {
    expect(await found("person", text)).toEqual([value]);
  });
});

describe("findings", () => {
  const receipt = page(
    "ADVANCE HARDWARE SDN BHD",
    "NO 12, JALAN MAWAR 3",
    "81750 JOHOR BAHRU",
    "TEL: 07-3371234",
    "CASHIER: ANGELA TAN",
    "BSN 111222333",
    "ITEM|QTY|PRICE",
    "PAINT 5L|2|24.00",
    "TOTAL|48.00",
  );

  it("name their recognizer, cue, check and zone", async () => {
    const entities = await createDetector().detect(receipt, 0);
    const of = (text: string) => entities.find((entity) => entity.text === text)!;
    expect(of("ANGELA TAN")).toMatchObject({ recognizer: "person", reason: "label", evidence: { cue: "cashier" } });
    expect(of("07-3371234")).toMatchObject({ evidence: { cue: "tel", zone: "sender" } });
    expect(of("111222333").evidence).toMatchObject({ cue: "bsn", check: "nl-bsn" });
    expect(of("NO 12, JALAN MAWAR 3").evidence).toMatchObject({ zone: "sender" });
    expect(entities.every(({ evidence }) => evidence?.zone !== undefined)).toBe(true);
  });

  it("hold no text of the document besides the value", async () => {
    const entities = await createDetector().detect(receipt, 0);
    for (const { text, evidence, reason, recognizer } of entities) {
      expect(JSON.stringify([evidence, reason, recognizer]).toUpperCase()).not.toContain(text);
    }
  });
});

describe("preparation", () => {
  it("is left out where no recognizer needs it", async () => {
    // The layout of a page reads its width; nothing else here does.
    let reads = 0;
    const watched = {
      ...page("ACME SDN BHD", "NO 12, JALAN MAWAR 3", "81750 JOHOR BAHRU", "jo@example.com"),
      get height() {
        reads++;
        return 100;
      },
    };
    await createDetector({ types: ["email", "url"] }).detect(watched, 0);
    expect(reads).toBe(0);
    await createDetector({ types: ["address"] }).detect(watched, 0);
    expect(reads).toBeGreaterThan(0);
  });
});
