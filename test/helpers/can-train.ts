/** Tests of training need the addon and the tiny models; where they are missing the reason is printed. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadNative } from "../../src/addon/binding.ts";
import type { AnonymizerError } from "../../src/errors.ts";
import { type TinyModel, tinyFolder } from "./tiny.ts";

/** Why the tests of this file must be skipped; undefined when they can run. */
export async function missingForTraining(model: TinyModel): Promise<string | undefined> {
  const missing = !existsSync(join(tinyFolder(model), "graph.pt"))
    ? "models/tiny is not exported"
    : await loadNative().then(
        () => undefined,
        (error: AnonymizerError) => `${error.code}: ${error.message}`,
      );
  if (missing !== undefined) console.log(`skipped: ${missing} (npm run setup)`);
  return missing;
}
