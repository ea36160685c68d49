/** An engine that the caller brought: what it gives is looked at before anything relies on it. */
import { boxHeight, boxWidth, clipBox } from "../documents/geometry.ts";
import type { RasterImage } from "../documents/image.ts";
import { codedError } from "../errors.ts";
import { makeLine } from "./lines.ts";
import type { OcrEngine, OcrLine, OcrPage, OcrWord } from "./ocr.ts";

/** No word of any language has as many letters; what has is noise that costs hours. */
const longestWord = 1000;

/**
 * The engine with its readings checked. Its `read` rejects with ERR_OCR_FAILED for a reading of another page size, boxes
 * that are no numbers or have no area on the page, confidences that are no numbers, words of more than 1,000 characters,
 * and lines whose text is not that of their words: left out, such text would be neither replaced nor searched for. Boxes
 * are cut off at the page, words without text are left out.
 */
export const checkedEngine = (engine: OcrEngine): OcrEngine => ({
  name: engine.name,
  read: async (image, options) => checkReading(await engine.read(image, options), image, engine.name),
  close: () => engine.close(),
});

function checkReading(reading: OcrPage, { width, height }: RasterImage, engine: string): OcrPage {
  const wrong = (what: string): Error =>
    codedError("ERR_OCR_FAILED", `The OCR engine "${engine}" gave ${what}`, {
      cure: "Mend the engine: OcrPage says what a reading has to be.",
    });
  if (reading.width !== width || reading.height !== height)
    throw wrong(`a reading of ${reading.width}×${reading.height} px for an image of ${width}×${height} px`);

  const word = ({ text, box, confidence }: OcrWord): OcrWord => {
    if (text.length > longestWord) throw wrong(`a word of ${text.length} characters`);
    if (!Number.isFinite(confidence)) throw wrong(`the confidence ${confidence}`);
    const inside = clipBox(box, { width, height });
    if (!(boxWidth(inside) > 0 && boxHeight(inside) > 0)) throw wrong(`a word in the box [${box.join(", ")}]`);
    return { text: wellFormed(text), box: inside, confidence: Math.min(1, Math.max(0, confidence)) };
  };
  const line = ({ text, words, quad }: OcrLine, at: number): OcrLine[] => {
    if (text !== words.map((each) => each.text).join(" ")) throw wrong(`line ${at} with another text than its words`);
    if (quad?.some((value) => !Number.isFinite(value))) throw wrong(`line ${at} a quad that is no numbers`);
    const kept = words.filter((each) => each.text.trim() !== "").map(word);
    return kept.length === 0 ? [] : [{ ...makeLine(kept), ...(quad && { quad }) }];
  };
  return { ...reading, lines: reading.lines.flatMap(line) };
}

/** Halves of surrogate pairs become U+FFFD: no file holds them. */
const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, "\uFFFD");
