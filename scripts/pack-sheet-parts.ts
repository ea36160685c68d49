/** What pack-sheet.mjs needs of the sources. */
export { createDiffusionEngine, entityOf, repaint } from "../bench/fidelity.bench.ts";
export { DocumentSynthesizer } from "../src/datasets/synthesizer/document-synthesizer.ts";
export { createPseudonymizer } from "../src/replacement/pseudonyms.ts";
