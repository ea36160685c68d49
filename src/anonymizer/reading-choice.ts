/** Decides which OCR engine reads the input and which ones look at the result, and says why. */
import type { AnonymizerConfig } from "../config/anonymizer-config.ts";
import type { OcrEngine } from "../detection/ocr.ts";
import { defaultPpOcrFolder, hasPpOcrModels } from "../detection/ppocr/model-files.ts";
import { createPpOcrEngine, hasPpOcrRuntime } from "../detection/ppocr/ppocr-engine.ts";
import { createTesseractEngine } from "../detection/tesseract-engine.ts";
import { AnonymizerError } from "../errors.ts";

export interface ReadingChoice {
  readonly requested: "auto" | "tesseract" | "ppocr" | "custom";
  /** The engine that reads the input. */
  readonly chosen: string;
  readonly reason: string;
  /** Every engine that reads the result, that one included. */
  readonly verifiers: readonly string[];
}

export interface ReadingEngines {
  readonly choice: ReadingChoice;
  readonly ocr: OcrEngine;
  /** Engines that look at the result besides `ocr`. */
  readonly others: readonly OcrEngine[];
}

/**
 * PP-OCR where it is asked for, or where `auto` finds it and it starts; tesseract then looks at the result too. Else
 * tesseract alone. Asked for by name PP-OCR must work: rejects with ERR_OCR_RUNTIME, ERR_MODEL_*, ERR_OCR_FAILED. Every
 * engine that was started is given to `own`, also when a later one fails.
 */
export async function chooseReading(
  config: AnonymizerConfig["ocr"],
  own: (engine: OcrEngine) => OcrEngine,
  signal?: AbortSignal,
): Promise<ReadingEngines> {
  const requested = config.engine;
  const { workers } = config;
  const tesseract = async (): Promise<OcrEngine> => own(await createTesseractEngine({ workers }));
  const alone = async (reason: string): Promise<ReadingEngines> => {
    const ocr = await tesseract();
    return { choice: { requested, chosen: ocr.name, reason, verifiers: [ocr.name] }, ocr, others: [] };
  };
  if (requested === "tesseract") return alone("asked for");
  const models = config.models ?? defaultPpOcrFolder();
  if (requested === "auto") {
    if (!(await hasPpOcrModels(models))) return alone("no models of PP-OCR are installed");
    if (!hasPpOcrRuntime()) return alone("onnxruntime-node is not installed");
  }
  let ocr: OcrEngine;
  try {
    ocr = own(await createPpOcrEngine({ models, workers, ...(signal && { signal }) }));
  } catch (error) {
    const stopped = error instanceof AnonymizerError && error.code === "ERR_ABORTED";
    if (requested === "ppocr" || stopped) throw error;
    const why = error instanceof AnonymizerError ? `${error.code}: ${error.message}` : "unknown error";
    return alone(`PP-OCR does not start: ${why}`);
  }
  const reason = requested === "ppocr" ? "asked for" : "onnxruntime-node and models are installed";
  const second = await tesseract();
  return { choice: { requested, chosen: ocr.name, reason, verifiers: [ocr.name, second.name] }, ocr, others: [second] };
}
