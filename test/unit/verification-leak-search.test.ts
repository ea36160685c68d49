import { describe, expect, it } from "vitest";
import type { OcrPage } from "../../src/detection/ocr.ts";
import type { Box } from "../../src/documents/geometry.ts";
import { searchLeaks } from "../../src/verification/leak-search.ts";
import type { PaintedRegion } from "../../src/verification/painted.ts";
import { columnsOf } from "./helpers/ocr-page.ts";

/** A page of monospaced lines: 10 × 20 px a character, 30 px a line. */
function pageOf(...texts: string[]): OcrPage {
  const lines = texts.map((text, row) => {
    let x = 0;
    const words = text.split(" ").map((word) => {
      const box: Box = [x, row * 30, x + word.length * 10, row * 30 + 20];
      x += (word.length + 1) * 10;
      return { text: word, box, confidence: 0.9 };
    });
    return { text, words, confidence: 0.9, box: [0, row * 30, text.length * 10, row * 30 + 20] as Box };
  });
  return { lines, width: 1000, height: 1000, engine: "test" };
}

const target = (text: string, id = "p0-e0") => ({ id, text });

/** A region over characters `from`…`to` of line `row`. */
const region = (row: number, from: number, to: number, original: string, fake: string | null): PaintedRegion => ({
  id: "p0-e0",
  page: 0,
  box: [from * 10 - 2, row * 30 - 2, to * 10 + 2, row * 30 + 22],
  textBox: [from * 10, row * 30, to * 10, row * 30 + 20],
  original,
  fake,
});

describe("an original in untouched text", () => {
  it.each([
    ["as it is", ["paid by John Carter today"]],
    ["in capitals", ["paid by JOHN CARTER today"]],
    ["run together", ["paidbyJohnCartertoday"]],
    ["with look-alike glyphs", ["J0HN CARTFR"]],
    ["inside a longer word", ["xxJohnCarterxx"]],
    ["split over two lines", ["signed John", "Carter, cashier"]],
    ["with one wrong letter in ten", ["John Cartxr"]],
  ])("is found %s", async (_name, lines) => {
    const found = await searchLeaks([target("John Carter")], [pageOf(...lines)], []);
    expect(found).toHaveLength(1);
    expect(found[0]!.similarity).toBeGreaterThanOrEqual(0.8);
    expect(found[0]!.regions).toEqual([]);
  });

  it("is found on every page and told with its place", async () => {
    const pages = [pageOf("nothing here"), pageOf("first line", "by John Carter x")];
    const found = await searchLeaks([target("John Carter")], pages, []);
    expect(found).toHaveLength(1);
    expect(found[0]!.page).toBe(1);
    expect(found[0]!.parts).toEqual([{ line: 1, span: [3, 14], words: [1, 3], box: [30, 30, 140, 50] }]);
  });

  it("is not seen in unrelated text", async () => {
    const lines = ["TOTAL SALES 120.00", "CASH 150.00", "THANK YOU COME AGAIN"];
    expect(await searchLeaks([target("John Carter"), target("Nordwind GmbH")], [pageOf(...lines)], [])).toEqual([]);
  });
});

describe("an original whose words stand apart", () => {
  const named = { id: "p0-e0", text: "Olga Sandmann", type: "person" } as const;

  it("is found down a column, with another column between its lines", async () => {
    const page = columnsOf("Frau Olga|Invoice 4711", "Sandmann lives|Date", "here|14 May");
    const found = await searchLeaks([named], [page], []);
    expect(found.map(({ parts }) => parts.map(({ line, span }) => [line, ...span]))).toEqual([
      [
        [0, 5, 9],
        [2, 0, 8],
      ],
    ]);
    expect(await searchLeaks([named], [columnsOf("Olga Meier|Date", "lives here|Sandmann")], [])).toEqual([]);
  });

  it("is found over a page's end, once on each page", async () => {
    const pages = [pageOf("first", "signed by Olga"), pageOf("Sandmann, owner", "last")];
    const found = await searchLeaks([named], pages, []);
    expect(found.map(({ page, parts, overPages }) => [page, parts[0]!.line, overPages])).toEqual([
      [0, 1, true],
      [1, 0, true],
    ]);
    expect(await searchLeaks([named], [pages[1]!, pages[0]!], [])).toEqual([]);
  });

  it("is told once, in whatever order its words are read", async () => {
    const page = columnsOf("Frau Olga Sandmann|Invoice", "lives here|Date");
    expect(await searchLeaks([named], [page, page], [])).toHaveLength(2);
  });
});

describe("names of two letters", () => {
  it.each<[string, boolean]>([
    ["paid by Ng today", true],
    ["(Ng),", true],
    ["NG", false],
    ["n. g.", false],
    ["being Ngo", false],
    ["N9", false],
  ])("count as whole words in their case: %s", async (text, leaks) => {
    const person = { id: "p0-e0", text: "Ng", type: "person" } as const;
    expect(await searchLeaks([person], [pageOf(text)], [])).toHaveLength(leaks ? 1 : 0);
    expect(await searchLeaks([{ ...person, type: "company" }], [pageOf(text)], [])).toEqual([]);
  });

  it("are no leak where the invented one stands", async () => {
    const person = { id: "p0-e0", text: "Ng", type: "person" } as const;
    expect(await searchLeaks([person], [pageOf("by Li x")], [region(0, 3, 5, "Ng", "Li")])).toEqual([]);
    expect(await searchLeaks([person], [pageOf("by Ng x")], [region(0, 3, 5, "Ng", "Li")])).toHaveLength(1);
  });
});

describe("short originals", () => {
  it("below 8 characters count only where words begin and end", async () => {
    expect(await searchLeaks([target("12345")], [pageOf("9912345678")], [])).toEqual([]);
    expect(await searchLeaks([target("12345")], [pageOf("no 12345 x")], [])).toHaveLength(1);
    expect(await searchLeaks([target("12345")], [pageOf("no.12345/x")], [])).toHaveLength(1);
  });

  it("below 4 characters must be exact", async () => {
    expect(await searchLeaks([target("Kee")], [pageOf("a kex b")], [])).toEqual([]);
    expect(await searchLeaks([target("Kee")], [pageOf("a kee b")], [])).toHaveLength(1);
  });

  it.each(["ab", "100", "ee EEE", "123.45", "12:30"])("that tell nobody apart are not searched: %s", async (text) => {
    expect(await searchLeaks([target(text)], [pageOf(`x ${text} y`)], [])).toEqual([]);
  });

  it("are not taken from sums and times", async () => {
    expect(await searchLeaks([target("12345")], [pageOf("TOTAL 123.45")], [])).toEqual([]);
    expect(await searchLeaks([target("1230")], [pageOf("AT 12:30")], [])).toEqual([]);
    expect(await searchLeaks([target("1234")], [pageOf("No 1234")], [])).toHaveLength(1);
  });
});

describe("an original in a painted box", () => {
  it("is a leak when it is still read there", async () => {
    const painted = [region(0, 3, 14, "John Carter", "Paul Weaver")];
    const found = await searchLeaks([target("John Carter")], [pageOf("by John Carter")], painted);
    expect(found).toHaveLength(1);
    expect(found[0]!.regions).toEqual(["p0-e0"]);
  });

  it("is no leak when the invented value itself resembles it", async () => {
    const painted = [region(0, 5, 15, "12/03/2018", "19/03/2018")];
    expect(await searchLeaks([target("12/03/2018")], [pageOf("DATE 19/03/2018")], painted)).toEqual([]);
  });

  it("is no leak when such an invented value is read with a wrong digit, as far from both", async () => {
    const painted = [region(0, 5, 15, "12/03/2018", "19/03/2018")];
    expect(await searchLeaks([target("12/03/2018")], [pageOf("DATE 17/03/2018")], painted)).toEqual([]);
  });

  it("is a leak when the reading is the original although the invented value resembles it", async () => {
    const painted = [region(0, 5, 15, "12/03/2018", "19/03/2018")];
    expect(await searchLeaks([target("12/03/2018")], [pageOf("DATE 12/03/2018")], painted)).toHaveLength(1);
  });

  it("is not seen in what an engine makes of a solid box, but in what stands beside it", async () => {
    const page = [pageOf("by John Carter")];
    expect(await searchLeaks([target("John Carter")], page, [region(0, 3, 14, "John Carter", null)])).toEqual([]);
    expect(await searchLeaks([target("John Carter")], page, [region(0, 3, 5, "John Carter", null)])).toHaveLength(1);
  });

  it("is a leak when enough of it stands beside a box that is too small", async () => {
    const painted = [region(0, 0, 2, "John Carterson", "Al")];
    const found = await searchLeaks([target("John Carterson")], [pageOf("Al hn Carterson")], painted);
    expect(found).toHaveLength(1);
  });

  it("is judged by the box of each character when a word is only partly painted", async () => {
    const painted = [region(0, 4, 14, "12/03/2018", "19/03/2018")];
    expect(await searchLeaks([target("12/03/2018")], [pageOf("DT::19/03/2018")], painted)).toEqual([]);
  });
});

it("stops when aborted", async () => {
  const signal = AbortSignal.abort();
  await expect(searchLeaks([target("John Carter")], [pageOf("x y")], [], { signal })).rejects.toMatchObject({
    code: "ERR_ABORTED",
  });
});
