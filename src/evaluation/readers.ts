/** Who reads the results when the caller brings nobody: every OCR engine that is there. */
import type { AnonymizerConfig } from "../config/anonymizer-config.ts";
import type { OcrEngine } from "../detection/ocr.ts";
import { createTesseractEngine } from "../detection/tesseract-engine.ts";

/** The engines, apart from those of the anonymizer, so that neither waits for the other. Close them. */
export async function openReaders(config: AnonymizerConfig): Promise<OcrEngine[]> {
  return [await createTesseractEngine({ workers: config.ocr.workers })];
}
