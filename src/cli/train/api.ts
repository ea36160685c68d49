/** The part of the public API this command line uses. */

export { loadConfig } from "../../config/load-config.ts";
export { parseOverrides } from "../../config/overrides.ts";
export { type ConfigKind, configJsonSchema, configKinds } from "../../config/schemas.ts";
export type { TrainerConfig, UNetTrainerConfig, VAETrainerConfig } from "../../config/training-config.ts";
export { importDataset } from "../../datasets/importers/import-dataset.ts";
export { writeSyntheticDataset } from "../../datasets/synthesizer/write-dataset.ts";
export { codedError } from "../../errors.ts";
export { createLogger } from "../../telemetry/logger.ts";
export { packageVersion } from "../../telemetry/package-version.ts";
export { createProgress, formatDuration } from "../../telemetry/progress.ts";
export { describeTraining } from "../../training/describe-training.ts";
export type { StepEvent, TrainingEvent } from "../../training/events.ts";
export { formatBytes } from "../../training/memory-estimate.ts";
export type { TrainingPlan } from "../../training/training-plan.ts";
export { UNetTrainer } from "../../training/unet-trainer.ts";
export { VAETrainer } from "../../training/vae-trainer.ts";
