/**
 * anonymizer-native: replaces the personal data in scanned documents with invented data, drawn into the page and proven
 * by reading it again; and trains the models that draw.
 *
 * @packageDocumentation
 */

// Anonymizing
export { Anonymizer, type AnonymizeOptions, type CreateOptions, type DetectionPlan } from "./anonymizer.ts";
export type { ProgressEvent } from "./anonymizer/progress.ts";
export type { AnonymizeResult } from "./anonymizer/result.ts";
export type { CustomParts } from "./anonymizer/rooms.ts";
export { checkInstallation, type Finding as InstallationFinding, installationWorks } from "./anonymizer/installation.ts";
export type { Report } from "./report.ts";
export { reportJsonSchema } from "./report.ts";
export type { Entity, EntityType } from "./detection/entity.ts";
export { entityTypes } from "./detection/entity.ts";
export type { OcrEngine, OcrLine, OcrOptions, OcrPage, OcrWord } from "./detection/ocr.ts";
export type { Replacement } from "./replacement/replacement.ts";
export type { GenerateOptions, Patch, PatchEngine, PatchResult } from "./inpainting/patch.ts";
export {
  InpaintingPipeline,
  type InpaintingPipelineOptions,
  type InpaintingRequest,
  type SamplingOptions,
} from "./inpainting/inpainting-pipeline.ts";

// Training
export { UNetTrainer } from "./training/unet-trainer.ts";
export { VAETrainer } from "./training/vae-trainer.ts";
export type * from "./training/events.ts";

// Data
export { DocumentDataset } from "./datasets/dataset.ts";
export type { ManifestRecord, Region } from "./datasets/manifest-types.ts";

// Shared
export { Tensor } from "./addon/tensor.ts";
export type { DType, TensorData } from "./addon/native-types.ts";
export { type Diagnosis, diagnose } from "./addon/diagnose.ts";
export type { AnonymizerConfig, AnonymizerConfigInput } from "./config/anonymizer-config.ts";
export { loadConfig } from "./config/load-config.ts";
export type {
  UNetTrainerConfig,
  UNetTrainerConfigInput,
  VAETrainerConfig,
  VAETrainerConfigInput,
} from "./config/training-config.ts";
export type { DocumentFormat, Page } from "./documents/document.ts";
export type { Box, Quad, Size } from "./documents/geometry.ts";
export type { RasterImage } from "./documents/image.ts";
export * from "./errors.ts";
