/** The recognizers that a configuration adds to the built-in ones. */
import type { AnonymizerConfig } from "../config/anonymizer-config.ts";
import { createCustomRecognizer } from "../detection/custom-recognizer.ts";
import type { Recognizer } from "../detection/entity.ts";
import { openNerRecognizer } from "../detection/ner/ner-recognizer.ts";

/** `own` takes what has to be closed. Rejects with ERR_MODEL_*, ERR_NER_RUNTIME, ERR_DETECTION_FAILED. */
export async function openRecognizers(
  config: AnonymizerConfig,
  own: <T extends { close(): Promise<void> }>(part: T) => T,
): Promise<Recognizer[]> {
  const recognizers: Recognizer[] = config.recognizers.map(createCustomRecognizer);
  if (config.ner) recognizers.push(own(await openNerRecognizer(config.ner)));
  return recognizers;
}
