import { describe, expect, it } from "vitest";
import type { RasterImage } from "../../src/documents/image.ts";
import { renderGlyphImage } from "../../src/rendering/glyph-image.ts";

function inkSize({ data, width, height }: RasterImage): { width: number; height: number; left: number; top: number } {
  let [left, right, top, bottom] = [width, 0, height, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[(y * width + x) * 3]! > 128) continue;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y + 1);
    }
  }
  return { width: right - left, height: bottom - top, left, top };
}

describe("glyph images", () => {
  it("are the same for the same arguments and differ with the text", () => {
    const options = { width: 384, height: 384, fit: "pad" as const };
    expect(renderGlyphImage("JOHN 12", options)).toEqual(renderGlyphImage("JOHN 12", options));
    expect(renderGlyphImage("JOHN 13", options).data).not.toEqual(renderGlyphImage("JOHN 12", options).data);
  });

  it("keep the shape of letters with pad: twice the image, twice the ink", () => {
    const small = inkSize(renderGlyphImage("OO", { width: 200, height: 60, fit: "pad" }));
    const large = inkSize(renderGlyphImage("OO", { width: 400, height: 120, fit: "pad" }));
    expect(Math.abs(large.width - 2 * small.width)).toBeLessThanOrEqual(3);
    const square = inkSize(renderGlyphImage("OO", { width: 384, height: 384, fit: "pad" }));
    expect(square.width / square.height).toBeCloseTo(large.width / large.height, 1);
  });

  it("fill the image with squash, whatever the length", () => {
    for (const text of ["H", "HELLO", "A VERY LONG LINE OF TEXT, NO. 12"]) {
      const ink = inkSize(renderGlyphImage(text, { width: 384, height: 384, fit: "squash" }));
      expect(ink.width, text).toBeGreaterThan(384 * 0.65);
      expect(ink.width, text).toBeLessThan(384);
    }
  });

  it("never touch the border", () => {
    for (const fit of ["pad", "squash"] as const) {
      for (const text of ["i", "Ågjpqy|", "W".repeat(60), "שלום", "張偉"]) {
        const { data, width, height } = renderGlyphImage(text, { width: 128, height: 64, fit });
        for (let x = 0; x < width; x++) expect(data[x * 3]! + data[((height - 1) * width + x) * 3]!, text).toBe(510);
        for (let y = 0; y < height; y++)
          expect(data[y * width * 3]! + data[(y * width + width - 1) * 3]!, text).toBe(510);
      }
    }
  });

  it("are white for a blank text and refuse impossible sizes", () => {
    expect(renderGlyphImage(" \n ", { width: 64, height: 64, fit: "pad" }).data.every((v) => v === 255)).toBe(true);
    expect(() => renderGlyphImage("a", { width: 4, height: 64, fit: "pad" })).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARGUMENT" }),
    );
  });
});
