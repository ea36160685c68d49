/** The thread in which codes are read and made: zxing-cpp as WebAssembly, from the installed package, without network. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { parentPort } from "node:worker_threads";
import { serveCalls } from "../worker-thread.ts";
import { codeFormats, writableFormats } from "./code-formats.ts";
import type { CodeAnswer, CodeRequest } from "./codes.ts";

const zxing = loadZxing();

async function loadZxing() {
  const module = await import("zxing-wasm/full");
  const path = createRequire(import.meta.url).resolve("zxing-wasm/full/zxing_full.wasm");
  const binary = await readFile(path);
  // Without the binary the package would fetch it.
  const wasmBinary = new Uint8Array(binary).buffer;
  await module.prepareZXingModule({ overrides: { wasmBinary }, fireImmediately: true });
  return module;
}

serveCalls(parentPort!, async (request: CodeRequest): Promise<CodeAnswer> => {
  const { readBarcodes, writeBarcode } = await zxing;
  if (request.kind === "write") {
    const format = writableFormats[request.format];
    if (format === undefined) return { kind: "written", modules: undefined };
    const { symbol, error } = await writeBarcode(request.text, { format, addQuietZones: false, addHRT: false });
    if (error !== "" || symbol.width === 0) return { kind: "written", modules: undefined };
    return {
      kind: "written",
      modules: { data: Uint8Array.from(symbol.data), width: symbol.width, height: symbol.height },
    };
  }
  const { width, height, pixels } = request;
  const data = new Uint8ClampedArray(pixels);
  const found = await readBarcodes(
    { data, width, height, colorSpace: "srgb" },
    { formats: [...codeFormats], tryHarder: true, maxNumberOfSymbols: 64 },
  );
  return {
    kind: "read",
    codes: found
      .filter(({ isValid, text }) => isValid && text !== "")
      .map(({ format, text, position: { topLeft, topRight, bottomRight, bottomLeft } }) => ({
        format: String(format),
        text,
        corners: [
          [topLeft.x, topLeft.y],
          [topRight.x, topRight.y],
          [bottomRight.x, bottomRight.y],
          [bottomLeft.x, bottomLeft.y],
        ],
      })),
  };
});
