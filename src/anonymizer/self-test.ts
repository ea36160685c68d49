/** Whether an anonymizer works: a small page goes all the way through. */
import type { AnonymizeOptions } from "../anonymizer.ts";
import { encodeDocument } from "../documents/encode.ts";
import { codedError } from "../errors.ts";
import type { Anonymizer } from "./anonymizer.ts";
import { drawSamplePage } from "./sample-page.ts";

/** How many patches were drawn; null where a vault made it read the page only. */
export interface SelfTest {
  readonly patches: number | null;
  readonly seconds: number;
}

/**
 * Anonymizes an invented page and checks that it is proven and, where e-mail addresses are replaced, that a patch was
 * drawn. With a vault the page is only searched: nothing invented belongs there. Rejects as `anonymize` does, and with
 * ERR_NOT_PROVEN.
 */
export async function selfTest(
  anonymizer: Pick<Anonymizer, "config" | "anonymize" | "detect">,
  options: Pick<AnonymizeOptions, "signal"> = {},
): Promise<SelfTest> {
  const { config } = anonymizer;
  const started = performance.now();
  const page = await encodeDocument([{ index: 0, image: drawSamplePage() }], "png");
  const spent = (): number => (performance.now() - started) / 1000;
  if (config.vault !== undefined) {
    await anonymizer.detect(page, options);
    return { patches: null, seconds: spent() };
  }
  const { report } = await anonymizer.anonymize(page, options);
  const patches = report.entities.length;
  if (!report.proven) throw codedError("ERR_NOT_PROVEN", "The self-test's page could not be proven");
  if (patches === 0 && config.types.includes("email") && (config.min_scores.email ?? config.min_score) < 0.9)
    throw codedError("ERR_NOT_PROVEN", "Nothing was found on the self-test's page");
  return { patches, seconds: spent() };
}
