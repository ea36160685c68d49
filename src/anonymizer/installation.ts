/** Checks what this package needs on a machine, part by part, and tells how to mend what is missing. */
import { cpus, freemem, totalmem } from "node:os";
import { diagnose } from "../addon/diagnose.ts";
import type { OcrEngine } from "../detection/ocr.ts";
import { defaultPpOcrFolder, hasPpOcrModels, installCure } from "../detection/ppocr/model-files.ts";
import { createPpOcrEngine, hasPpOcrRuntime } from "../detection/ppocr/ppocr-engine.ts";
import { createTesseractEngine } from "../detection/tesseract-engine.ts";
import { AnonymizerError, errorCodes, throwIfAborted } from "../errors.ts";
import { exportCure } from "../models/export-cure.ts";
import { pullModel } from "../registry/model-registry.ts";
import { isStoreAddress } from "../registry/store-address.ts";
import { documentFaces, fontFile } from "../rendering/fonts.ts";
import { readingSimilarity } from "../verification/reading-similarity.ts";
import { missingParts, shippedModels } from "./engine-choice.ts";
import { drawSamplePage, sampleLines } from "./sample-page.ts";

/** What was found of one part. */
export interface Finding {
  readonly name: string;
  readonly status: "fine" | "missing" | "broken";
  /** `needed`: nothing works without it; `optional`: only the diffusion engine or PP-OCR doesn't. */
  readonly importance: "needed" | "optional";
  /** For people: version, place, or what went wrong. */
  readonly found: string;
  readonly cure?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface InstallationOptions {
  /** Folder with the model folders vae, unet and glyph_encoder, or an address in a registry: it is brought into the cache. */
  readonly models?: string;
  /** Folder with the models of PP-OCR; default: where they are installed. */
  readonly ocrModels?: string;
  readonly signal?: AbortSignal;
}

/** Tries every part once. Rejects with ERR_ABORTED only. */
export async function checkInstallation(options: InstallationOptions = {}): Promise<Finding[]> {
  const checks = [
    checkNode,
    checkPlatform,
    checkMachine,
    checkFonts,
    checkReading,
    () => checkPpOcr(options.ocrModels),
    checkLibTorch,
    () => checkModels(options.models, options.signal),
  ];
  const findings: Finding[] = [];
  for (const check of checks) {
    throwIfAborted(options.signal);
    findings.push(await check());
  }
  return findings;
}

/** Whether documents can be anonymized here, at least with the classical engine. */
export const installationWorks = (findings: readonly Finding[]): boolean =>
  findings.every((finding) => finding.importance === "optional" || finding.status === "fine");

/** Message and cure of anything thrown. */
function failure(error: unknown): { found: string; cure?: string } {
  if (error instanceof AnonymizerError) return { found: `${error.code}: ${error.message}`, cure: error.cure };
  return { found: error instanceof Error ? error.message : String(error) };
}

function checkNode(): Finding {
  const [major, minor] = process.versions.node.split(".").map(Number) as [number, number];
  const fine = major > 20 || (major === 20 && minor >= 19);
  return {
    name: "Node",
    status: fine ? "fine" : "broken",
    importance: "needed",
    found: process.versions.node,
    ...(fine ? {} : { cure: "Install Node 20.19 or newer." }),
  };
}

function checkPlatform(): Finding {
  const { platform, arch } = process;
  const fine = platform === "linux" && (arch === "x64" || arch === "arm64");
  return {
    name: "platform",
    status: fine ? "fine" : "broken",
    importance: "needed",
    found: `${platform} ${arch}`,
    ...(fine ? {} : { cure: "Use Linux on x64 or arm64." }),
  };
}

function checkMachine(): Finding {
  const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const memory = process.constrainedMemory?.() || totalmem();
  const total = Math.min(memory, totalmem());
  const fine = total >= 2 ** 30;
  return {
    name: "machine",
    status: fine ? "fine" : "broken",
    importance: "needed",
    found: `${cpus().length} CPUs, ${gib(total)} memory, ${gib(freemem())} free`,
    ...(fine ? {} : { cure: "Give the process at least 1 GiB of memory." }),
  };
}

/** Test-loads LibTorch and the addon in a process of its own. */
async function checkLibTorch(): Promise<Finding> {
  const base = { name: "LibTorch", importance: "optional" as const };
  try {
    const { search, loads, info, error } = await diagnose();
    const details = { tried: search.tried };
    if (loads && info) {
      const devices = ["cpu", ...info.cuda.map((device) => `cuda:${device.index} ${device.name}`)];
      const found = `${info.libtorch} in ${search.place?.path ?? "?"}, devices: ${devices.join(", ")}`;
      return { ...base, status: "fine", found, details: { ...details, devices } };
    }
    return {
      ...base,
      status: error?.code === "ERR_LIBTORCH_NOT_FOUND" ? "missing" : "broken",
      found: error ? `${error.code}: ${error.message}` : "does not load",
      ...(error?.cure ? { cure: error.cure } : {}),
      details,
    };
  } catch (error) {
    return { ...base, status: "broken", ...failure(error) };
  }
}

function checkFonts(): Finding {
  const base = { name: "fonts", importance: "needed" as const };
  try {
    for (const face of documentFaces) fontFile(face);
    return { ...base, status: "fine", found: `${documentFaces.length} faces` };
  } catch (error) {
    return { ...base, status: "broken", ...failure(error) };
  }
}

async function checkReading(): Promise<Finding> {
  const cure = "Install the packages again: npm ci.";
  return {
    name: "OCR",
    importance: "needed",
    ...(await tryReading(() => createTesseractEngine({ workers: 1 }), cure)),
  };
}

async function checkPpOcr(folder = defaultPpOcrFolder()): Promise<Finding> {
  const base = { name: "PP-OCR", importance: "optional" as const };
  if (!hasPpOcrRuntime()) {
    const cure = errorCodes.ERR_OCR_RUNTIME.cure;
    return { ...base, status: "missing", found: "onnxruntime-node is not installed", cure };
  }
  if (!(await hasPpOcrModels(folder)))
    return { ...base, status: "missing", found: `no models in ${folder}`, cure: installCure };
  return { ...base, ...(await tryReading(() => createPpOcrEngine({ models: folder }), installCure)) };
}

/** Draws a page and has it read. */
async function tryReading(
  start: () => Promise<OcrEngine>,
  cure: string,
): Promise<Pick<Finding, "status" | "found" | "cure">> {
  try {
    const engine = await start();
    try {
      const started = performance.now();
      const { lines } = await engine.read(drawSamplePage(), { timeoutMs: 60_000 });
      const read = readingSimilarity(lines.map((line) => line.text).join(" "), sampleLines.join(" "));
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      if (read < 0.9)
        return { status: "broken", found: `${engine.name} read only ${Math.round(read * 100)} % of a test page`, cure };
      return { status: "fine", found: `${engine.name} read a test page in ${seconds} s` };
    } finally {
      await engine.close();
    }
  } catch (error) {
    return { status: "broken", ...failure(error) };
  }
}

async function checkModels(given: string | undefined, signal: AbortSignal | undefined): Promise<Finding> {
  const base = { name: "models", importance: "optional" as const };
  const models = given ?? (await shippedModels());
  if (models === undefined) {
    const cure = "Give a model pack with --models DIR or `models:` in the configuration; train or export one first.";
    return { ...base, status: "missing", found: "no folder given", cure };
  }
  if (isStoreAddress(models)) return { ...base, ...(await checkStoredModels(models, signal)) };
  const missing = await missingParts(models);
  if (missing.length === 0) return { ...base, status: "fine", found: models };
  return { ...base, status: "missing", found: `${models} lacks ${missing.join(", ")}`, cure: exportCure(models) };
}

async function checkStoredModels(
  address: string,
  signal: AbortSignal | undefined,
): Promise<Pick<Finding, "status" | "found" | "cure">> {
  try {
    const { name, version, folder, release } = await pullModel(address, { ...(signal && { signal }) });
    const missing = await missingParts(folder);
    await release();
    if (missing.length === 0) return { status: "fine", found: `${name}@${version} of ${address}, in ${folder}` };
    const cure = "Push a pack with these parts, as `anonymizer-train unet` makes it, under another version.";
    return { status: "missing", found: `${name}@${version} lacks ${missing.join(", ")}`, cure };
  } catch (error) {
    throwIfAborted(signal);
    return { status: "broken", ...failure(error) };
  }
}
