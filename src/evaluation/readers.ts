/** Who reads the results when the caller brings nobody: every OCR engine that is there. */
import { chooseReading } from "../anonymizer/reading-choice.ts";
import type { AnonymizerConfig } from "../config/anonymizer-config.ts";
import type { OcrEngine } from "../detection/ocr.ts";

/**
 * The engines, apart from those of the anonymizer, so that neither waits for the other; PP-OCR too where the anonymizer
 * itself is told to leave it alone. Close them. Rejects as `chooseReading` does, with nothing left open.
 */
export async function openReaders({ ocr }: AnonymizerConfig, signal?: AbortSignal): Promise<OcrEngine[]> {
  const opened: OcrEngine[] = [];
  const own = (engine: OcrEngine): OcrEngine => {
    opened.push(engine);
    return engine;
  };
  try {
    await chooseReading(ocr.engine === "tesseract" ? { ...ocr, engine: "auto" } : ocr, own, signal);
    return opened;
  } catch (error) {
    await Promise.allSettled(opened.map((engine) => engine.close()));
    throw error;
  }
}
