// @ts-nocheck: speaks to PDFium below the typed interface of its package, which draws text for LCD screens, in colours.
//
// One PDF in a thread of its own: PDFium is WebAssembly, and a page that never ends can be ended only with its thread.
// Plain JavaScript, so that threads can start it from the sources as well as from the bundle.
import { parentPort, workerData } from "node:worker_threads";
import { PDFiumLibrary } from "@hyzyla/pdfium";

/** Flags of PDFium's fpdfview.h: draw annotations; RGBA instead of BGRA. */
const annotations = 0x01;
const reverseByteOrder = 0x10;
const bgra = 4;
const imageObject = 3;

const fail = (error) => parentPort.postMessage({ type: "failed", message: String(error?.message ?? error) });

/** Page sizes in points (1/72 inch), and the resolution of the picture that fills a scanned page. */
function describePage(document, index) {
  const page = document.getPage(index);
  const { module, pageIdx } = page;
  try {
    const { originalWidth: width, originalHeight: height } = page.getOriginalSize();
    return { width, height, dpi: largestImage(module, pageIdx, width * height) };
  } finally {
    module._FPDF_ClosePage(pageIdx);
  }
}

/** Pixels per inch of the image that covers most of the page, if that is more than half. */
function largestImage(module, page, pageArea) {
  const objects = Math.min(64, module._FPDFPage_CountObjects(page));
  const memory = module.wasmExports.malloc(24);
  let best = null;
  let covered = pageArea / 2;
  try {
    for (let i = 0; i < objects; i++) {
      const object = module._FPDFPage_GetObject(page, i);
      if (module._FPDFPageObj_GetType(object) !== imageObject) continue;
      if (!module._FPDFImageObj_GetImagePixelSize(object, memory, memory + 4)) continue;
      if (!module._FPDFPageObj_GetBounds(object, memory + 8, memory + 12, memory + 16, memory + 20)) continue;
      const view = new DataView(module.HEAPU8.buffer, memory, 24);
      const pixels = [view.getUint32(0, true), view.getUint32(4, true)].sort((a, b) => a - b);
      const [left, bottom, right, top] = [8, 12, 16, 20].map((at) => view.getFloat32(at, true));
      // Shorter to shorter side: the page may be turned.
      const sides = [right - left, top - bottom].sort((a, b) => a - b);
      if (sides[0] * sides[1] <= covered) continue;
      covered = sides[0] * sides[1];
      best = (pixels[0] / sides[0]) * 72;
    }
  } finally {
    module.wasmExports.free(memory);
  }
  return best;
}

/** RGB of a page on white, annotations and filled-in fields included. */
function render(document, { index, width, height }) {
  const page = document.getPage(index);
  const { module, pageIdx } = page;
  const bytes = width * height * 4;
  const memory = module.wasmExports.malloc(bytes);
  let bitmap = 0;
  try {
    if (memory === 0) throw new Error("PDFium has not enough memory for the page");
    const form = document.initializeFormFields();
    module._FORM_OnAfterLoadPage(pageIdx, form);
    bitmap = module._FPDFBitmap_CreateEx(width, height, bgra, memory, width * 4);
    module._FPDFBitmap_FillRect(bitmap, 0, 0, width, height, 0xffffffff);
    module._FPDF_RenderPageBitmap(bitmap, pageIdx, 0, 0, width, height, 0, annotations | reverseByteOrder);
    module._FPDF_FFLDraw(form, bitmap, pageIdx, 0, 0, width, height, 0, reverseByteOrder);
    module._FORM_OnBeforeClosePage(pageIdx, form);
    return toRgb(module.HEAPU8.subarray(memory, memory + bytes));
  } finally {
    if (bitmap !== 0) module._FPDFBitmap_Destroy(bitmap);
    module._FPDF_ClosePage(pageIdx);
    module.wasmExports.free(memory);
  }
}

function toRgb(rgba) {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) {
    rgb[to] = rgba[from];
    rgb[to + 1] = rgba[from + 1];
    rgb[to + 2] = rgba[from + 2];
  }
  return rgb;
}

try {
  const library = await PDFiumLibrary.init();
  const document = await library.loadDocument(workerData.bytes);
  const count = document.getPageCount();
  const pages = [];
  if (count <= workerData.maxPages) for (let i = 0; i < count; i++) pages.push(describePage(document, i));
  parentPort.on("message", (request) => {
    try {
      const data = render(document, request);
      parentPort.postMessage({ type: "page", data }, [data.buffer]);
    } catch (error) {
      fail(error);
    }
  });
  parentPort.postMessage({ type: "opened", count, pages });
} catch (error) {
  fail(error);
}
