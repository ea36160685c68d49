import { describe, expect, it } from "vitest";
import { addressScore, isRegion, strongAddress, weakAddress } from "../../src/detection/address-shapes.ts";
import { hasLegalForm, isCompanyLike } from "../../src/detection/company-words.ts";
import { findDamagedDate, findDates, findPartialDate } from "../../src/detection/date-shapes.ts";
import { fold, mendDigits, tokenize } from "../../src/detection/fold.ts";
import { isAmount, isNameShaped, isProse, namePart } from "../../src/detection/text-shapes.ts";

const dates = (text: string): string[] => findDates(text).map(({ start, end }) => text.slice(start, end));

describe("dates", () => {
  it.each([
    ["DATE: 09/01/2019 8:01:11 PM", "09/01/2019"],
    ["23-01-2019 13:14", "23-01-2019"],
    ["REG 16-04-201714:51", "16-04-2017"],
    ["12.03.18", "12.03.18"],
    ["12/28/2017", "12/28/2017"],
    ["2017-12-28 22:17PM", "2017-12-28"],
    ["15 JUN 18 08:34", "15 JUN 18"],
    ["Oct 3, 2016 12:16", "Oct 3, 2016"],
    ["den 3. März 2024", "3. März 2024"],
    ["le 1er août 2023", "1er août 2023"],
    ["3 de mayo de 2024", "3 de mayo de 2024"],
    ["14 febbraio 2022", "14 febbraio 2022"],
    ["24 april 2020", "24 april 2020"],
    ["07 Ogos 2021", "07 Ogos 2021"],
    ["O9/l1/2O18", "O9/l1/2O18"],
    ["10/ 11/ 1987", "10/ 11/ 1987"],
    ["Field Complete 12--7-87", "12--7-87"],
    ["12-7--87", "12-7--87"],
    ["23-Dec-2016", "23-Dec-2016"],
  ])("in %j", (text, date) => {
    expect(dates(text)).toEqual([date]);
  });

  it.each([
    "8:01:11 PM",
    "22:17",
    "TOTAL 31.00",
    "1.2.3",
    "JALAN HARMONI 3/2",
    "99/99/2019",
    "03-8943 3143",
    "1,234.56",
    "CS00031180",
    "v2.10.2019.7",
  ])("not in %j", (text) => {
    expect(dates(text)).toEqual([]);
  });

  it("may lack day or year behind a label only", () => {
    for (const text of ["03/27", "May 2025", "24 juni"]) {
      expect(dates(text)).toEqual([]);
      expect(findPartialDate(text)).toEqual({ start: 0, end: text.length });
    }
  });

  it("are guessed from what is left of them", () => {
    for (const text of ["30-092017", "20/03/201¢"])
      expect(findDamagedDate(text)).toEqual({ start: 0, end: text.length });
    expect(findDamagedDate("CASH")).toBeUndefined();
  });
});

describe("addresses", () => {
  it.each([
    "NO.2&4,JALAN HARMONI 3/2,",
    "869 Tremblay Lane",
    "Philipshire, WA 34239",
    "Am Lindenfeld 68c, 56014 Berlin",
    "Hauptstraße 5",
    "Hauptstra8e 5, Berlin",
    "56014 Tonatstadt",
    "12 rue de la Paix",
    "75002 Paris",
    "Calle Mayor 12",
    "80271 Sordio (SO)",
    "Via Roma 3",
    "Skyedijk 4",
    "6674 HK Wessing",
    "10 Downing Street, London SW1A 2AA",
    "P.O. Box 21688",
    "Postfach 1234",
    "Springfield, Massachusetts",
    "NEW HOLLAND, NORTH DAKOTA",
  ])("%s looks like one", (text) => {
    expect(addressScore(text)).toBeGreaterThanOrEqual(strongAddress);
  });

  it.each(["TAMAN DESA HARMONI.", "LOT 6", "2. OG", "Suite 249", "1234 Wien", "MALAYSIA"])(
    "%s does beside others",
    (text) => {
      expect(addressScore(text)).toBeGreaterThanOrEqual(weakAddress);
      expect(addressScore(text)).toBeLessThan(strongAddress);
    },
  );

  it.each([
    "TOTAL AMOUNT:",
    "CASH 101.00",
    "THANK YOU",
    "5:02:32 PM",
    "CROCS 300X17 TUBES",
    "TAX INVOICE",
    "John Smith",
  ])("%s does not", (text) => {
    expect(addressScore(text)).toBeLessThan(weakAddress);
  });

  it("end with a country in any of the languages, or a state", () => {
    for (const country of ["Malaysia", "DEUTSCHLAND", "Espagne", "Italia", "Nederland", "U.S.A."])
      expect(isRegion(country)).toBe(true);
    expect(isRegion("SELANGOR.")).toBe(true);
    expect(isRegion("Springfield")).toBe(false);
  });
});

describe("companies", () => {
  it.each([
    "S.H.H. MOTOR SDN. BHD.",
    "Schulz GmbH & Co. KG",
    "Papini S.p.A.",
    "Terlouw V.O.F.",
    "Delao López S.L.",
    "Rolland SAS",
    "Kautzer LLC",
    "VonRueden & Sons",
    "FUYI TRADING",
  ])("%s has a legal form", (text) => expect(hasLegalForm(text)).toBe(true));

  it.each(["Potatoes 2 kg", "AMT INC. TAX", "LIMITED EDITION MUG", "S-SR(L)-5%", "se", "SDN", "Bag"])(
    "%s has none",
    (text) => expect(hasLegalForm(text)).toBe(false),
  );

  it("may show by what they call themselves", () => {
    expect(isCompanyLike("Apotheke am Markt")).toBe(true);
    expect(isCompanyLike("RESTORAN WAN SHENG")).toBe(true);
    expect(isCompanyLike("Anna Berger")).toBe(false);
  });
});

describe("names", () => {
  it.each([
    "Anna Berger",
    "TAN CHAY YEE",
    "Scottie van der Linden",
    "Sierra O'Hara",
    "R. H. Orcutt",
    "Müller, Jörg",
    "Dr. Connie Stone",
  ])("%s looks like one", (text) => expect(isNameShaped(text)).toBe(true));

  it.each(["User", "CASH", "Employee No", "anna berger", "COUNTER 1", "www.x.de", "Thank you very much", "A"])(
    "%s does not",
    (text) => expect(isNameShaped(text, true)).toBe(false),
  );

  it("end where something else begins", () => {
    expect(namePart("ESWARAN 012-6369400")).toBe("ESWARAN");
    expect(namePart("HOCK TABLE 5")).toBe("HOCK");
    expect(namePart("Jalou van den Velde, op werkdagen")).toBe("Jalou van den Velde");
    expect(namePart("(none)")).toBe("");
  });
});

describe("running text and amounts", () => {
  it("are told by words and figures", () => {
    expect(isProse("Thank you for your letter, which we have read.")).toBe(true);
    expect(isProse("NO. 42, JALAN PBS 14/11, TAMAN PERINDUSTRIAN BUKIT")).toBe(false);
    for (const text of ["31.00", "RM 2.10", "1.037,35 EUR", "2 x 5.90", "-0.02", "6.37 SR"])
      expect(isAmount(text)).toBe(true);
    for (const text of ["03-8943 3143", "000800589824", "JM0325955-V", "41050 KLANG"])
      expect(isAmount(text)).toBe(false);
  });
});

describe("folding", () => {
  it("keeps the length", () => {
    const text = "Ärger Çà ŒUVRE İstanbul ß 𝒜";
    expect(fold(text)).toHaveLength(text.length);
    expect(fold("ÉCOLE Größe")).toBe("ecole große");
  });

  it("makes digits of letters only in numbers", () => {
    expect(mendDigits("O9/l1/2O18 TOTAL B8")).toBe("09/11/2018 TOTAL B8");
    expect(mendDigits("OSLO")).toBe("OSLO");
  });

  it("parts letters from digits and raised signs", () => {
    expect(tokenize("nº 12ab").map(({ text }) => text)).toEqual(["n", "12", "ab"]);
  });
});
