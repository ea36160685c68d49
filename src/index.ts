/**
 * anonymizer-native: replaces the personal data in scanned documents with invented data, drawn into the page and proven
 * by reading it again; and trains the models that draw.
 *
 * @packageDocumentation
 */

export type { AdaptedModel, Adapter, AdapterFormat, AdapterLayer, AdapterOrigin } from "./adapters/adapter.ts";
export { adapterFormats, adapterValues, describeAdapter, scaleOf } from "./adapters/adapter.ts";
export { type AdapterRequest, checkAdapter } from "./adapters/apply-adapters.ts";
export { convertAdapter } from "./adapters/convert-adapter.ts";
export { mergeAdapters } from "./adapters/merge-adapters.ts";
export { type Diagnosis, diagnose } from "./addon/diagnose.ts";
export type { DType, TensorData } from "./addon/native-types.ts";
export { type SamplerName, samplers } from "./addon/samplers.ts";
export { Tensor } from "./addon/tensor.ts";
export { Anonymizer } from "./anonymizer/anonymizer.ts";
export { configHash } from "./anonymizer/identity.ts";
export {
  checkInstallation,
  type Finding as InstallationFinding,
  installationWorks,
} from "./anonymizer/installation.ts";
export { openVault } from "./anonymizer/memory.ts";
export type { ProgressEvent } from "./anonymizer/progress.ts";
export type { ReadingChoice } from "./anonymizer/reading-choice.ts";
export { AnonymizeResult } from "./anonymizer/result.ts";
export type { CustomParts } from "./anonymizer/rooms.ts";
export { type SelfTest, selfTest } from "./anonymizer/self-test.ts";
export type { AnonymizeOptions, CreateOptions, DetectionPlan } from "./anonymizer.ts";
export type { AnonymizerConfig, AnonymizerConfigInput } from "./config/anonymizer-config.ts";
export { type InitConfigOptions, initConfig } from "./config/init-config.ts";
export { loadConfig } from "./config/load-config.ts";
export {
  type ConfigChange,
  type MigrateConfigOptions,
  type MigratedConfig,
  migrateConfig,
} from "./config/migrate-config.ts";
export { parseOverrides } from "./config/overrides.ts";
export { listPresets, type Preset } from "./config/presets.ts";
export type { ConfigProblem } from "./config/problems.ts";
export { type ConfigKind, configJsonSchema, configKinds } from "./config/schemas.ts";
export { readWorld, startedByLauncher, type World } from "./config/torchrun-environment.ts";
export type {
  TrainerConfig,
  UNetTrainerConfig,
  UNetTrainerConfigInput,
  VAETrainerConfig,
  VAETrainerConfigInput,
} from "./config/training-config.ts";
export { DocumentDataset } from "./datasets/dataset.ts";
export { importDataset } from "./datasets/importers/import-dataset.ts";
export type { ManifestRecord, Region } from "./datasets/manifest-types.ts";
export { type PackOptions, type PackProgress, type PackReport, packDataset } from "./datasets/shards/pack.ts";
export {
  pullShards,
  pushShards,
  type ShardTransferOptions,
  type ShardTransferReport,
} from "./datasets/shards/transfer.ts";
export {
  type DamagedShardFile,
  type VerifiedShards,
  type VerifyShardsOptions,
  verifyShards,
} from "./datasets/shards/verify.ts";
export { DocumentSynthesizer } from "./datasets/synthesizer/document-synthesizer.ts";
export { writeSyntheticDataset } from "./datasets/synthesizer/write-dataset.ts";
export type { Entity, EntityType, Evidence, Zone } from "./detection/entity.ts";
export { entityTypes } from "./detection/entity.ts";
export type { CodeContent, ImageRegion, ImageRegionType } from "./detection/image-regions/image-region.ts";
export type { OcrEngine, OcrLine, OcrOptions, OcrPage, OcrWord } from "./detection/ocr.ts";
export {
  type InstalledPpOcr,
  type InstallPpOcrOptions,
  installPpOcrModels,
} from "./detection/ppocr/install.ts";
export { createPpOcrEngine, type PpOcrOptions } from "./detection/ppocr/ppocr-engine.ts";
export { createTesseractEngine, type TesseractOptions } from "./detection/tesseract-engine.ts";
export type { DocumentInput } from "./documents/decode.ts";
export type { DocumentFormat, Page } from "./documents/document.ts";
export { listDocuments, removeStaleTemporaries, writeFileAtomic } from "./documents/files.ts";
export type { Box, Quad, Size } from "./documents/geometry.ts";
export type { RasterImage } from "./documents/image.ts";
export { type DocumentLimits, limitsFrom } from "./documents/limits.ts";
export * from "./errors.ts";
export type { DocumentScore, EngineScore, Evaluation } from "./evaluation/document-score.ts";
export { type EvaluateOptions, evaluate } from "./evaluation/evaluate.ts";
export type { TypeScore } from "./evaluation/score-entities.ts";
export { type FileLock, type LockOptions, lockFile } from "./file-lock.ts";
export {
  InpaintingPipeline,
  type InpaintingPipelineOptions,
  type InpaintingRequest,
  type SamplingOptions,
} from "./inpainting/inpainting-pipeline.ts";
export type { GenerateOptions, Patch, PatchEngine, PatchResult } from "./inpainting/patch.ts";
export {
  type LocalRanksOptions,
  launchLocalRanks,
  lostOthersExitCode,
  whenLauncherEnds,
} from "./launch/local-ranks.ts";
export type { ModalLauncher, RunState, RunStatus } from "./launch/modal/launcher.ts";
export { openModalLauncher } from "./launch/modal/open-launcher.ts";
export {
  type CostEstimate,
  type ModalLaunchOptions,
  type ModalMount,
  type ModalPlan,
  planModalLaunch,
} from "./launch/modal/plan.ts";
export { planText } from "./launch/modal/plan-text.ts";
export { findRunRecord, type RunRecord, writeRunRecord } from "./launch/modal/run-records.ts";
export {
  type PreviewDocument,
  type PreviewPage,
  writePreviewIndex,
  writePreviewPage,
} from "./preview/write-preview.ts";
export {
  downloadFolder,
  type FolderOptions,
  type FolderProgress,
  type FolderReport,
  uploadFolder,
} from "./registry/folders.ts";
export type { GarbageReport } from "./registry/garbage.ts";
export type { CacheOptions } from "./registry/model-cache.ts";
export { type ModelAddress, parseModelAddress } from "./registry/model-manifest.ts";
export {
  ModelRegistry,
  type ModelVersion,
  type PulledModel,
  type PullOptions,
  type PushedModel,
  type PushOptions,
  pullModel,
  type RegistryOptions,
  type VerifiedModel,
} from "./registry/model-registry.ts";
export type {
  DownloadOptions,
  ObjectInfo,
  ObjectStore,
  RequestOptions,
  RetryOptions,
  StoreOptions,
  TransferProgress,
  UploadOptions,
  WriteOptions,
} from "./registry/object-store.ts";
export { openObjectStore } from "./registry/open-store.ts";
export { isStoreAddress } from "./registry/store-address.ts";
export type { Claim } from "./replacement/owners.ts";
export type { Replacement } from "./replacement/replacement.ts";
export type { Vault, VaultEntry, VaultQuery } from "./replacement/vault.ts";
export { type Report, reportJsonSchema, reportSchema, reportText } from "./report.ts";
export { type AnonymizerServer, createServer, type ServerOptions } from "./service/create-server.ts";
export { createLogger, type Logger } from "./telemetry/logger.ts";
export { packageVersion } from "./telemetry/package-version.ts";
export { createProgress, formatDuration } from "./telemetry/progress.ts";
export { describeTraining } from "./training/describe-training.ts";
export type * from "./training/events.ts";
export {
  type BuildReport,
  buildLatentCache,
  type CacheProgress,
  type CacheReport,
  clearLatentCache,
  verifyLatentCache,
} from "./training/manage-cache.ts";
export { formatBytes } from "./training/memory-estimate.ts";
export { checkPublishAddress, type PublishedModel, publishModel } from "./training/publish-model.ts";
export { withRunLease } from "./training/run-lease.ts";
export type { ExportOptions, TrainerOptions } from "./training/trainer.ts";
export type { TrainingPlan } from "./training/training-plan.ts";
export { UNetTrainer } from "./training/unet-trainer.ts";
export { VAETrainer } from "./training/vae-trainer.ts";
