/** The part of the public API this command line uses. */

export { configHash } from "../../anonymizer/identity.ts";
export { checkInstallation, type Finding, installationWorks } from "../../anonymizer/installation.ts";
export { Anonymizer, type DetectionPlan } from "../../anonymizer.ts";
export type { AnonymizerConfig } from "../../config/anonymizer-config.ts";
export { loadConfig } from "../../config/load-config.ts";
export { parseOverrides } from "../../config/overrides.ts";
export { entityTypes } from "../../detection/entity.ts";
export type { DocumentFormat } from "../../documents/document.ts";
export { listDocuments, removeStaleTemporaries, writeFileAtomic } from "../../documents/files.ts";
export { AnonymizerError, codedError, throwIfAborted } from "../../errors.ts";
export { type Report, reportSchema, reportText } from "../../report.ts";
export { packageVersion } from "../../telemetry/package-version.ts";
export { createProgress, formatDuration } from "../../telemetry/progress.ts";
