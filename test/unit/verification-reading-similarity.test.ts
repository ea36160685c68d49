import { describe, expect, it } from "vitest";
import {
  findWindows,
  foldText,
  readingSimilarity,
  windowSimilarity,
} from "../../src/verification/reading-similarity.ts";

describe("folding", () => {
  it("makes case, spaces, accents, punctuation and look-alike glyphs equal", () => {
    expect(foldText("Olga S. Müller")).toBe(foldText("0LGA5 MULLER"));
    expect(foldText("B1O-5Z")).toBe(foldText("8l0 S2"));
    expect(foldText(" .,-/ ")).toBe("");
  });

  it("keeps digits apart from each other", () => {
    expect(new Set([..."0123456789"].map(foldText)).size).toBe(10);
  });

  it("keeps letters of other scripts", () => {
    expect(foldText("Олег 张伟")).toBe("олег张伟");
  });

  it("is stable when applied twice", () => {
    const once = foldText("Straße 7b, İstanbul ﬁ½");
    expect(foldText(once)).toBe(once);
  });
});

describe("similarity", () => {
  it("is 1 for equal, 0 for unrelated and in between by edits", () => {
    expect(readingSimilarity("John Carter", "john  carter")).toBe(1);
    expect(readingSimilarity("aaaa", "xxxx")).toBe(0);
    expect(readingSimilarity("carter", "cartxr")).toBeCloseTo(5 / 6);
    expect(readingSimilarity("", "")).toBe(1);
    expect(readingSimilarity("", "abc")).toBe(0);
  });
});

describe("the best place of a text inside a longer one", () => {
  it("is found in the middle, with joined words and a wrong letter", () => {
    expect(windowSimilarity("John Carter", "dear mr JohnCartxr, welcome")).toBeCloseTo(9 / 10);
    expect(windowSimilarity("John Carter", "JOHN\nCARTER")).toBe(1);
  });

  it("is low for unrelated text and 0 without letters or digits", () => {
    expect(windowSimilarity("Wolfeschlegel", "total 12.50 cash")).toBeLessThan(0.5);
    expect(windowSimilarity("--", "anything")).toBe(0);
    expect(windowSimilarity("abc", "")).toBe(0);
  });

  it("agrees with a plain search over all stretches", () => {
    const texts = ["kitten on the mat", "sitting kit ten", "abcabcabd", "", "aaaab"];
    const distance = (a: string, b: string): number =>
      Math.round((1 - readingSimilarity(a, b)) * Math.max(a.length, b.length));
    for (const needle of ["kitten", "abd", "aab"]) {
      for (const text of texts.map(foldText)) {
        const folded = foldText(needle);
        let best = folded.length;
        for (let s = 0; s < text.length; s++) {
          for (let e = s + 1; e <= text.length; e++) best = Math.min(best, distance(folded, text.slice(s, e)));
        }
        expect(windowSimilarity(needle, text)).toBeCloseTo(1 - best / folded.length);
      }
    }
  });
});

describe("all windows", () => {
  it("lists each occurrence once, with its place", () => {
    const windows = findWindows("carter", "xxcarterxxcarxerxx", 0.8);
    expect(windows.map((w) => [w.start, w.end])).toEqual([
      [2, 8],
      [10, 16],
    ]);
    expect(windows[0]!.similarity).toBe(1);
    expect(windows[1]!.similarity).toBeCloseTo(5 / 6);
  });

  it("leaves out what is less similar than asked", () => {
    expect(findWindows("carter", "xxcarxxrxx", 0.8)).toEqual([]);
  });
});
