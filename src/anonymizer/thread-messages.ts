/** What an anonymizer and its thread tell each other. */
import type { DetectionPlan } from "../anonymizer.ts";
import type { AnonymizerConfig } from "../config/anonymizer-config.ts";
import type { DocumentFormat, Page } from "../documents/document.ts";
import type { Claim } from "../replacement/owners.ts";
import type { Report } from "../report.ts";
import type { SentError } from "../sent-error.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { ProgressEvent } from "./progress.ts";
import type { EncodeSettings } from "./result.ts";
import type { Rooms } from "./rooms.ts";

export interface ThreadData {
  readonly config: AnonymizerConfig;
  readonly ownKey: string;
  /** Of all documents so far, where claims are remembered. */
  readonly claims?: readonly Claim[];
}

/** A document on its way: a file, or bytes under the name that reports give them. */
export type SentDocument =
  | { readonly path: string }
  | { readonly bytes: Uint8Array<ArrayBuffer>; readonly stream: boolean };

export type Job = "anonymize" | "detect";

export type ToThread =
  | { readonly type: "start"; readonly id: number; readonly job: Job; readonly document: SentDocument }
  | { readonly type: "abort"; readonly id: number }
  | { readonly type: "close" };

export interface SentResult {
  readonly pages: readonly Page[];
  readonly data: Uint8Array;
  readonly format: DocumentFormat;
  readonly report: Report;
  readonly settings: EncodeSettings;
  /** Made since the last result. */
  readonly claims: readonly Claim[];
}

export type FromThread =
  | {
      readonly type: "ready";
      readonly engine: Rooms["choice"];
      readonly reading: Rooms["readingChoice"];
      readonly keyId: string | null;
    }
  | { readonly type: "failed"; readonly error: SentError }
  | { readonly type: "progress"; readonly id: number; readonly event: ProgressEvent }
  | { readonly type: "anonymized"; readonly id: number; readonly result: SentResult }
  | { readonly type: "detected"; readonly id: number; readonly plan: DetectionPlan }
  | { readonly type: "rejected"; readonly id: number; readonly error: SentError }
  | { readonly type: "log"; readonly level: keyof Logger; readonly fields: object; readonly message: string }
  | { readonly type: "closed" };
