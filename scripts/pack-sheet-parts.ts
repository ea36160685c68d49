/** What pack-sheet.mjs needs of the sources. */
export { DocumentSynthesizer } from "../src/datasets/synthesizer/document-synthesizer.ts";
export { copyImage } from "../src/documents/image.ts";
export { pastePatch } from "../src/inpainting/blending.ts";
export { createDiffusionEngine } from "../src/inpainting/diffusion-engine.ts";
export { extractPatch } from "../src/inpainting/patches.ts";
export { createPseudonymizer } from "../src/replacement/pseudonyms.ts";
