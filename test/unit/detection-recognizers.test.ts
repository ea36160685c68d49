/** What each recognizer finds on a line, and what it must leave alone. */
import { describe, expect, it } from "vitest";
import { createDetector } from "../../src/detection/detector.ts";
import type { EntityType } from "../../src/detection/entity.ts";
import { makeLine } from "../../src/detection/lines.ts";
import type { OcrPage } from "../../src/detection/ocr.ts";

/** Lines below each other; "|" separates columns of one row. */
function page(...rows: string[]): OcrPage {
  const lines = rows.flatMap((row, y) =>
    row.split("|").map((text, column) => {
      let x = 20 + column * 400;
      const words = text
        .trim()
        .split(/\s+/)
        .map((word) => {
          const box = [x, 40 + y * 30, x + word.length * 10, 60 + y * 30] as const;
          x += (word.length + 1) * 10;
          return { text: word, box, confidence: 1 };
        });
      return makeLine(words);
    }),
  );
  return { lines, width: 1000, height: 60 + rows.length * 30, engine: "test" };
}

const found = async (type: EntityType, ...rows: string[]): Promise<string[]> =>
  (await createDetector({ types: [type] }).detect(page(...rows), 0)).map((entity) => entity.text);

const gives = async (type: EntityType, text: string, values: string[]): Promise<void> => {
  expect(await found(type, text)).toEqual(values);
};

describe("numbers and forms", () => {
  it.each<[EntityType, string, string[]]>([
    ["email", "Mail: jo.doe+x@mail.example.com now", ["jo.doe+x@mail.example.com"]],
    ["email", "jo @ mail. example", ["jo @ mail. example"]],
    ["email", "3 apples @ 2.50 each", []],
    ["email", "olga.sandmann (at) mail.example", ["olga.sandmann (at) mail.example"]],
    ["email", "olga [at] mail [dot] example", ["olga [at] mail [dot] example"]],
    ["email", "Look (at) this. Please", []],
    ["licence_plate", "GB reg AB12 CDE", ["AB12 CDE"]],
    ["licence_plate", "Plate SGX1234A", ["SGX1234A"]],
    ["licence_plate", "GST reg ABC 123", []],
    ["id_number", "Driving licence: SANDM 803145 O99AB 54", ["SANDM 803145 O99AB 54"]],
    [
      "url",
      "see www.example.com.my/shop or https://example.org/a",
      ["www.example.com.my/shop", "https://example.org/a"],
    ],
    ["url", "TOTAL 12.50 EACH", []],
    ["phone", "Tel: 03-3362 4395 Fax: 03-3362 4396", ["03-3362 4395", "03-3362 4396"]],
    ["phone", "+49 30 901820", ["+49 30 901820"]],
    ["phone", "Invoice 1234567890", []],
    ["phone", "TEL 03-3362 4395 GST NO 000584089600", ["03-3362 4395"]],
    ["phone", "Date 12-03-2018", []],
    ["iban", "IBAN DE89 3704 0044 0532 0130 00 BIC X", ["DE89 3704 0044 0532 0130 00"]],
    ["iban", "code DE88370400440532013000", []],
    ["iban", "code DE88 3704 0044 0532 0130 00", ["DE88 3704 0044 0532 0130 00"]],
    ["iban", "IBAN: DE88 3704 0044 0532 0130 00", ["DE88 3704 0044 0532 0130 00"]],
    ["card", "VISA 4111 1111 1111 1111", ["4111 1111 1111 1111"]],
    ["card", "ORDER 4111 1111 1111 1112", []],
    ["card", "CARD ************7501", ["************7501"]],
    ["card", "EAN 6018840126306675", []],
    // Rules of asterisks and crosses: what tries every division of them does not end.
    ["card", "*".repeat(80), []],
    ["card", `${"x".repeat(80)} 12`, []],
    ["date", "Date: 31/12/2018 5:20 PM", ["31/12/2018"]],
    ["date", "am 3. März 2024 und 2024-02-29", ["3. März 2024", "2024-02-29"]],
    ["date", "March 5, 2021", ["March 5, 2021"]],
    ["date", "le 14 juillet 2020", ["14 juillet 2020"]],
    ["date", "11:44:44 45/45/2018 1.2.3.4", []],
    ["date", "ORD #70-REG #19-18/03/2018", ["18/03/2018"]],
    ["date", "No 1.2.3.2018 and 7-18/03/20", []],
    ["tax_id", "GST NO: 000584089600", ["000584089600"]],
    ["tax_id", "VAT DE136695976", ["DE136695976"]],
    ["tax_id", "GST 6% 23.93 0.00", []],
    ["id_number", "Passport No. C01X00T47", ["C01X00T47"]],
    ["id_number", "SSN 123-45-6789", ["123-45-6789"]],
    ["id_number", "123-45-6789", ["123-45-6789"]],
    ["id_number", "000-45-6789", []],
    ["tax_id", "912-90-3456", ["912-90-3456"]],
    ["tax_id", "912-49-3456", []],
    ["tax_id", "EIN: 12-3456789", ["12-3456789"]],
    ["tax_id", "12-3456789", []],
    ["tax_id", "27AAPFU0939F1ZV", ["27AAPFU0939F1ZV"]],
    ["tax_id", "27AAPFU0939F1ZW", []],
    ["tax_id", "PAN No. AAAPL1234C", ["AAAPL1234C"]],
    ["tax_id", "36 574 261 809", ["36 574 261 809"]],
    ["tax_id", "36 574 261 808", []],
    ["tax_id", "36574261809", []],
    ["tax_id", "Steuerliche Identifikationsnummer: 36574261809", ["36574261809"]],
    ["tax_id", "NIP: 856-734-62-15", ["856-734-62-15"]],
    ["tax_id", "PL8567346215", ["PL8567346215"]],
    ["id_number", "Aadhaar No: 2341 2341 2346", ["2341 2341 2346"]],
    ["id_number", "2341 2341 2346", []],
    ["id_number", "S1234567D", ["S1234567D"]],
    ["id_number", "S1234567E", []],
    ["id_number", "AA 12 34 56 A", ["AA 12 34 56 A"]],
    ["id_number", "QQ 12 34 56 C", []],
    ["id_number", "NHS number: 943 476 5919", ["943 476 5919"]],
    ["id_number", "943 476 5919", []],
    ["id_number", "BSN 111222333", ["111222333"]],
    ["id_number", "111222333", []],
    ["id_number", "770305-02-1234", ["770305-02-1234"]],
    ["id_number", "770305-00-1234", []],
    ["id_number", "770231-02-1234", []],
    ["id_number", "L898902C36UTO7408122F1204159ZE184226B<<<<<10", ["L898902C36UTO7408122F1204159ZE184226B<<<<<10"]],
  ])("%s in '%s' gives %j", gives);
});

describe("what OCR read wrongly", () => {
  it.each<[EntityType, string, string[]]>([
    ["iban", "1RAN 1152 E521 4973 9851 2215 3700 276", ["1152 E521 4973 9851 2215 3700 276"]],
    ["iban", "IHAN DEb1 9363 9453 1774 1674 61", ["DEb1 9363 9453 1774 1674 61"]],
    ["iban", "OLGA SANDMANN e1T75 E071 7339 4618 6419 5775 182", ["e1T75 E071 7339 4618 6419 5775 182"]],
    ["iban", "IMAE IT8T V138 3124 334T 2152 7206 403 Legale", ["IT8T V138 3124 334T 2152 7206 403"]],
    ["iban", "2015 2016 2017 2018 2019 2020", []],
    ["iban", "ITEM A1 2015 2016 2017 2018 2019", []],
    ["iban", "THAN 1152 items", []],
    // What tries every division of a long word does not end.
    ["iban", `IHAN ${"A".repeat(80)}é`, []],
    ["iban", `IHAN ${"1".repeat(80)}é`, []],
    ["date", "Berlin, 15-17-2010", ["15-17-2010"]],
    ["date", "15-47-2010 and 15-17-2010-3", []],
    ["email", "03-2398 5764contact@holloway.com.my", ["contact@holloway.com.my"]],
    ["phone", "03-2398 5764contact@holloway.com.my", ["03-2398 5764"]],
    ["email", "5764@mail.example", ["5764@mail.example"]],
    ["email", "Correo: contact(taberna-holloway.es", ["contact(taberna-holloway.es"]],
    ["email", "colour(s) de nom(s) de", []],
    ["email", "Email:OLGA9OPOSTEXAMPLEORA", ["OLGA9OPOSTEXAMPLEORA"]],
    ["email", "E-mail: siehe oben", []],
    ["email", "E-mail: 03-2345 6789", []],
    ["address", "Geboortedatum: 11-03-1946 Geboorteplaat: Bonnerzijl", ["Bonnerzijl"]],
    ["tax_id", "C.1F B-66371071", ["B-66371071"]],
    ["tax_id", "C.LF. 18218072 W", ["18218072 W"]],
    ["id_number", 'N" de cliente K133193', ["K133193"]],
    ["phone", "lelefax 09302 4284902", ["09302 4284902"]],
    ["phone", "Pelefax 09302 4284902", []],
    ["company", "Hollander & Sandmann S.r.I.", ["Hollander & Sandmann S.r.I"]],
    ["company", "Hollander y Sandmann S.I.", ["Hollander y Sandmann S.I"]],
    ["person", "GR0SS<<RENE<<<<<<<<<<<<<<<<<<<", ["GR0SS<<RENE<<<<<<<<<<<<<<<<<<<"]],
    ["person", "Atención: Mateo Hollander Vela", ["Mateo Hollander Vela"]],
  ])("%s in '%s' gives %j", gives);
});

it("says why it took a number", async () => {
  const reasons = async (row: string): Promise<string[]> =>
    (await createDetector().detect(page(row), 0)).map(({ reason }) => reason);
  expect(await reasons("BSN 111222333")).toEqual(["label and check digits"]);
  expect(await reasons("BSN 111222334")).toEqual(["label"]);
  expect(await reasons("D231458907UTO7408122F1204159<<<<<<<6")).toEqual(["check digits"]);
  expect(await reasons("D231458907UTO7408122F1204159<<<<<<<7")).toEqual(["machine-readable line"]);
});

describe("persons", () => {
  it.each([
    ["Cashier: ANGELA TAN", ["ANGELA TAN"]],
    ["Served by Jean-Luc O'Neil 12:30", ["Jean-Luc O'Neil"]],
    ["Patient name: Müller, Erika", ["Müller, Erika"]],
    ["Dear Mr Smith", ["Smith"]],
    ["Cashier [P.HOLLANDER]", ["P.HOLLANDER"]],
    ["Staff: T.K. / JAMES BELLOW", ["T.K. / JAMES BELLOW"]],
    ["Cashier: NV-No.", []],
    ["Cashier: 01", []],
    ["Cashier: Ng", ["Ng"]],
    ["Cashier: No", []],
    ["Kassierer: Olga S.", ["Olga S"]],
    ["Staff : 007 MEI LING", ["MEI LING"]],
    ["Kasse 3 Bediener 12 Olga", ["Olga"]],
    ["Bediener 12 Tisch 4", []],
    ["Siti binti Ahmad", ["Siti binti Ahmad"]],
    ["Ramesh Kumar S/O Krishnan", ["Ramesh Kumar S/O Krishnan"]],
    ["RECYCLE BIN LARGE", []],
    ["Signature: Olga Sandmann", ["Olga Sandmann"]],
    ["Unterschrift: O. Sandmann", ["O. Sandmann"]],
    ["Handtekening: Jan de Vries", ["Jan de Vries"]],
    ["Firmado: Juan Pérez", ["Juan Pérez"]],
    ["Name and signature: Olga Sandmann", ["Olga Sandmann"]],
    ["Signature of parent or guardian", []],
    ["Signature Date", []],
    ["Cashier: CASHIER3", []],
    ["Requested by W. T. Hollander on Monday", ["W. T. Hollander"]],
    ["E. P. HOLLANDER, Jr. and R, S. Bellow", ["E. P. HOLLANDER, Jr", "R, S. Bellow"]],
    ["Mary D. Hollander", ["Mary D. Hollander"]],
    ["T. Hollander", ["T. Hollander"]],
    ["see T. Hollander", []],
    ["P. O. Box", []],
    ["U. S. Dollars", []],
    ["I. D. STRIPS", []],
    ["A. B. Total", []],
    ["Customer copy", []],
    ["From: OCT 3", []],
    ["Approved by: Approved", []],
    ["the customer pays cash", []],
  ])("in '%s' are %j", async (text, values) => {
    expect(await found("person", text)).toEqual(values);
  });

  it("stand beside or below their label", async () => {
    expect(await found("person", "Cashier|Fatin Sy")).toEqual(["Fatin Sy"]);
    expect(await found("person", "Surname", "Mustermann")).toEqual(["Mustermann"]);
    expect(await found("person", "X Olga Sandmann", "Signature of applicant")).toEqual(["Olga Sandmann"]);
    expect(await found("person", "Total Amount", "Signature")).toEqual([]);
    // A list, whose labels stand closer to each other than to their values.
    expect(await found("person", "Name|Erika Mustermann", "Balance|: Twelve")).toEqual(["Erika Mustermann"]);
    expect(await found("person", "Hora|10:19:47", "Cajero|Sergi", "Boligrafo azul")).toEqual(["Sergi"]);
    expect(await found("person", "Name", "Numéro")).toEqual([]);
  });
});

describe("sender and addressee", () => {
  it("have a number found that stands with a name among their lines", async () => {
    const lines = ["HOLLOWAY TRADING SDN BHD", "LOT 2177, JALAN HOLLOWAY 3", "41234 SELANGOR"];
    expect(await found("phone", ...lines, "019-5550 101 MR.HOLLANDER")).toEqual(["019-5550 101"]);
    expect(await found("phone", ...lines, "019-5550 101 BOLTS M8 LONG")).toEqual([]);
  });

  it("have all of their address found: states, glued postcodes, and what stands beside it", async () => {
    const lines = await found(
      "address",
      "HOLLOWAY TRADING SDN BHD",
      "LOT 2177, JALAN HOLLOWAY 3",
      "41234KL|Site 2044",
      "SELANGOR",
      "Telephone 03-55550101",
    );
    expect(lines).toEqual(["LOT 2177, JALAN HOLLOWAY 3", "41234KL", "Site 2044", "SELANGOR"]);
  });

  it("have the address of a letter's foot found, with points read for commas", async () => {
    const foot = "41 Holloway Avenue. Springburv. CT 06810 Phone 203794-0323 Fax 203.748-6304";
    expect(await found("address", foot)).toEqual(["41 Holloway Avenue. Springburv. CT 06810"]);
    expect(await found("address", "It was late. Springburv. CT 06810")).toEqual([]);
  });

  const receipt = [
    "LIGHTROOM GALLERY SDN BHD",
    "NO: 28, JALAN ASTANA 1C,",
    "BANDAR BUKIT RAJA, 41050",
    "KLANG SELANGOR",
    "TEL: 03-3362 4395",
    "TAX INVOICE",
    "2 PHOTO FRAME|19.90",
    "TOTAL|39.80",
    "THANK YOU",
  ];

  it("the header of a receipt is company and address, and its items are neither", async () => {
    expect(await found("company", ...receipt)).toEqual(["LIGHTROOM GALLERY SDN BHD"]);
    expect(await found("address", ...receipt)).toEqual([
      "NO: 28, JALAN ASTANA 1C",
      "BANDAR BUKIT RAJA, 41050",
      "KLANG SELANGOR",
    ]);
  });

  it("the block under 'Bill to' is found", async () => {
    const rows = [
      "ACME GmbH",
      "Rechnung",
      "Bill to:",
      "Erika Musterfrau",
      "Heidestraße 17",
      "51147 Köln",
      "Total 5,00",
    ];
    expect(await found("person", ...rows)).toEqual(["Erika Musterfrau"]);
    expect((await createDetector().detect(page(...rows), 0)).map((e) => [e.type, e.text])).toEqual(
      expect.arrayContaining([
        ["person", "Erika Musterfrau"],
        ["address", "Heidestraße 17"],
        ["address", "51147 Köln"],
      ]),
    );
  });

  it("labels before addresses are left alone", async () => {
    const rows = ["Customer record", "Name: Olga Sandmann", "Address: Hauptstr. 12, 10827 Berlin", "Amount 12.00"];
    expect(await found("address", ...rows)).toEqual(["Hauptstr. 12, 10827 Berlin"]);
    expect(await found("company", ...rows)).toEqual([]);
    expect(await found("address", "Anschrift Hauptstr. 12, 10827 Berlin")).toEqual(["Hauptstr. 12, 10827 Berlin"]);
    expect(await found("address", "Via Roma 3, 20121 Milano")).toEqual(["Via Roma 3, 20121 Milano"]);
  });

  it("captions are no names of companies", async () => {
    expect(await found("company", "Supplier", "Cost (S)")).toEqual([]);
    expect(await found("company", "Supplier:|Reason(s) for Recommendation:")).toEqual([]);
    expect(await found("company", "Supplier", "Holloway Paper")).toEqual(["Holloway Paper"]);
  });

  it("a document without a sender at the top has no company", async () => {
    expect(await found("company", "MEMORANDUM", "The quarterly figures", "are attached to this page")).toEqual([]);
  });
});

describe("the detector", () => {
  it("leaves alone what is on the allow list, whatever its spacing", async () => {
    const detector = createDetector({ types: ["email"], allow: ["INFO@ example.com"] });
    expect((await detector.detect(page("info@example.com other@example.com"), 0)).map((e) => e.text)).toEqual([
      "other@example.com",
    ]);
  });

  it("finds what is on the deny list, also with a wrongly read letter", async () => {
    const detector = createDetector({ deny: [{ text: "Project Nightingale", type: "company" }] });
    expect(await detector.detect(page("about project nightingaIe today"), 0)).toMatchObject([
      { type: "company", text: "project nightingaIe", reason: "deny list" },
    ]);
  });

  it("keeps thresholds by type", async () => {
    const rows = ["CARD ************7501"];
    expect(await createDetector({ minScores: { card: 0.9 } }).detect(page(...rows), 0)).toEqual([]);
    expect(await createDetector().detect(page(...rows), 0)).toHaveLength(1);
  });

  it("names the rule of check digits only where the label or the number's form speaks for it", async () => {
    const check = async (text: string): Promise<(string | undefined)[]> =>
      (await createDetector({ types: ["id_number"] }).detect(page(text), 0)).map(({ evidence }) => evidence?.check);
    expect(await check("NRIC: S1234567D")).toEqual(["sg-nric"]);
    expect(await check("BSN 111222333")).toEqual(["nl-bsn"]);
    expect(await check("Member ID: 000123456")).toEqual([undefined]);
  });

  it("gives ids, word ranges and a box that is tight around the value", async () => {
    const [entity] = await createDetector({ types: ["date"] }).detect(page("Date: 31/12/2018 paid"), 3);
    expect(entity).toMatchObject({ id: "p3-e0", page: 3, line: 0, words: [1, 2], span: [6, 16] });
    expect(entity!.box).toEqual([80, 40, 180, 60]);
  });

  it("never reports overlapping entities", async () => {
    const entities = await createDetector().detect(
      page("Cashier: Mr Smith Tel +49 30 901820 a@b.de GST NO: 000584089600 12/12/2020"),
      0,
    );
    for (const a of entities)
      for (const b of entities) if (a !== b) expect(a.span[1] <= b.span[0] || b.span[1] <= a.span[0]).toBe(true);
    expect(entities.length).toBeGreaterThanOrEqual(4);
  });
});
