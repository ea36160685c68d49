/** The models that set-up installs for reading, and why they are not there when they are not. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { hasPpOcrRuntime } from "../../src/detection/ppocr/ppocr-engine.ts";
import { root } from "./tiny.ts";

export const ppocrFolder = join(root, "models", "ppocr");

function whyMissing(): string | undefined {
  if (!hasPpOcrRuntime()) return "onnxruntime-node is not installed";
  if (existsSync(join(ppocrFolder, "metadata.json"))) return undefined;
  const reason = join(root, ".cache", "ppocr", "missing.txt");
  return `no models in ${ppocrFolder}: ${existsSync(reason) ? readFileSync(reason, "utf8").trim() : "run npm run setup"}`;
}

/** Undefined when PP-OCR can be tested. */
export const ppocrMissing = whyMissing();
if (ppocrMissing) console.log(`skipped: ${ppocrMissing}`);
