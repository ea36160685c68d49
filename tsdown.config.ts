import { defineConfig } from "tsdown";

export default defineConfig({
  entry: [
    "src/index.ts",
    "src/cli/anonymizer.ts",
    "src/cli/anonymizer-train.ts",
    "src/addon/find-libtorch.ts",
    "src/addon/probe.ts",
    "src/addon/binding.ts",
    "src/anonymizer/thread-worker.ts",
    "src/documents/pdf-thread.mjs",
    "src/detection/image-regions/code-thread.ts",
    "src/detection/ner/thread.ts",
    "src/detection/ppocr/reader-process.ts",
  ],
  format: "esm",
  platform: "node",
  target: "node20",
  dts: true,
  clean: true,
  fixedExtension: false,
});
