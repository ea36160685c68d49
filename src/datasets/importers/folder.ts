/** A plain folder of page images: the lines come from an OCR engine that the caller gives. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import type { OcrEngine } from "../../detection/ocr.ts";
import { codedError, throwIfAborted } from "../../errors.ts";
import type { ImportedPage } from "./imported-page.ts";

/** Lines read with less confidence than this are not used as labels. */
const minLabelConfidence = 0.8;

/**
 * Pages of the images in `source` (not in its subfolders), by file name. Labels are what the engine reads with a
 * confidence of at least 0.8: good enough to learn pixels from, not to measure reading against.
 */
export async function* readFolder(
  source: string,
  ocr: OcrEngine,
  signal?: AbortSignal,
): AsyncGenerator<ImportedPage, void, void> {
  const entries = await readdir(source).catch((cause: unknown) => {
    throw codedError("ERR_DATASET_NOT_FOUND", `The folder ${source} does not exist or can't be read`, { cause });
  });
  for (const image of entries.filter((name) => /\.(png|jpe?g|webp|tiff?)$/i.test(name)).sort()) {
    throwIfAborted(signal);
    const { data, info } = await sharp(join(source, image))
      .flatten({ background: "white" })
      .toColourspace("srgb")
      .raw()
      .toBuffer({ resolveWithObject: true });
    const page = await ocr.read(
      { data, width: info.width, height: info.height },
      signal === undefined ? {} : { signal },
    );
    yield {
      id: image,
      image,
      width: info.width,
      height: info.height,
      regions: page.lines
        .filter((line) => line.confidence >= minLabelConfidence && line.text.trim() !== "")
        .map((line) => ({
          box: line.box,
          text: line.text,
          words: line.words.map((word) => ({ box: word.box, text: word.text })),
        })),
    };
  }
}
