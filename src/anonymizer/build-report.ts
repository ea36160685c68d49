/** Puts together the report of a document. */
import type { AnonymizerConfig } from "../config/anonymizer-config.ts";
import type { ImageRegion } from "../detection/image-regions/image-region.ts";
import type { Box } from "../documents/geometry.ts";
import type { CoveredRegion } from "../inpainting/cover-regions.ts";
import type { Report, ReportAttempt, ReportEntity } from "../report.ts";
import { sumUnread, type UnreadInk } from "../verification/unread.ts";
import type { EngineChoice } from "./engine-choice.ts";
import { configHash, versions } from "./identity.ts";
import type { UprightDocument } from "./orientation.ts";
import type { Attempt, Painting } from "./painting.ts";
import { confidenceOf, type Proof, reasonsAgainst, unreadPages } from "./proof.ts";
import type { ReadingChoice } from "./reading-choice.ts";

export interface ReportParts {
  readonly document: UprightDocument;
  readonly painting: Painting;
  readonly proof: Proof;
  readonly rounds: number;
  /** One per page. */
  readonly unread: readonly UnreadInk[];
  /** Values on lines that slope otherwise than their page. */
  readonly slanting: number;
  readonly covered: readonly CoveredRegion[];
  /** Codes of the input that can still be read. */
  readonly readable: readonly ImageRegion[];
  readonly output: Report["output"];
  /** Names of metadata found in the encoded output. */
  readonly metadata: readonly string[];
  readonly choice: EngineChoice;
  readonly config: AnonymizerConfig;
  readonly keyId: string | null;
  readonly reading: ReadingChoice;
  readonly timings: Record<string, number>;
}

export function buildReport(parts: ReportParts): Report {
  const { document, painting, proof, config } = parts;
  const reasons = reasonsAgainst(proof);
  reasons.push(...unreadPages(parts.unread, config.gate.max_unread));
  if (parts.readable.length > 0) reasons.push(`${parts.readable.length} of the codes can still be read`);
  if (document.notLevel.length > 0)
    reasons.push(`${document.notLevel.length} of the pages slope too much to be turned level`);
  if (parts.slanting > 0)
    reasons.push(`${parts.slanting} of the values stand on lines that slope otherwise than their page`);
  if (parts.metadata.length > 0) reasons.push("the encoded output carries metadata");
  const unread = sumUnread(parts.unread);
  const painted = painting.painted();
  const accepted = painted.filter((region) => painting.verdict(region.id)?.verdict === "accepted");
  return {
    schema_version: 1,
    document: {
      name: document.name,
      format: document.format,
      bytes: document.bytes,
      sha256: document.sha256,
      pages: document.pages.map(({ index, image }) => ({ index, width: image.width, height: image.height })),
    },
    output: parts.output,
    proven: reasons.length === 0,
    unproven_because: reasons,
    confidence: parts.metadata.length + parts.readable.length > 0 ? 0 : confidenceOf(painting, proof, unread),
    engine: parts.choice,
    reading: { ...parts.reading, verifiers: [...parts.reading.verifiers] },
    entities: painting.regions.map((region) => {
      const box = painted.find(({ id }) => id === region.replacement.entity.id)?.box;
      return reportEntity(region, box, config.report.include_originals);
    }),
    image_regions: parts.covered.map(({ region, method }) => ({
      id: region.id,
      type: region.type,
      page: region.page,
      box: mutableBox(region.box),
      score: round(region.score),
      recognizer: region.recognizer,
      reason: region.reason,
      ...(region.evidence && { evidence: region.evidence }),
      covered_by: method,
    })),
    verification: {
      regions: {
        checked: painted.length,
        accepted: accepted.length,
        solid: painted.filter((region) => region.fake === null).length,
      },
      leaks: proof.leaks.map((leak) => ({
        entity: leak.targetId,
        page: leak.page,
        similarity: round(leak.similarity),
        boxes: leak.parts.map((part) => mutableBox(part.box)),
        regions: [...leak.regions],
      })),
      outside: proof.outside,
      redetection: {
        known: proof.redetection.known,
        unknown: proof.redetection.unknown.map(({ type, page, box, score }) => ({
          type,
          page,
          box: mutableBox(box),
          score: round(score),
        })),
      },
      neighbours: proof.neighbours,
      codes: {
        checked: parts.covered.filter(({ region }) => region.code !== undefined).length,
        readable: parts.readable.map(({ id }) => id),
      },
      unread,
      metadata: { clean: parts.metadata.length === 0, found: [...parts.metadata] },
      rounds: parts.rounds,
    },
    timings_ms: parts.timings,
    key_id: parts.keyId,
    config_sha256: configHash(config),
    seed: config.seed,
    versions: versions(parts.reading.chosen),
  };
}

function reportEntity(
  region: Painting["regions"][number],
  painted: Box | undefined,
  includeOriginals: boolean,
): ReportEntity {
  const { entity, fake } = region.replacement;
  const last = region.attempts.at(-1)!;
  return {
    id: entity.id,
    type: entity.type,
    page: entity.page,
    box: mutableBox(entity.box),
    ...(painted === undefined ? {} : { painted: mutableBox(painted) }),
    score: round(entity.score),
    recognizer: entity.recognizer,
    reason: entity.reason,
    ...(entity.evidence && { evidence: entity.evidence }),
    fake: last.engine === "solid" ? null : fake,
    engine: last.engine,
    attempts: region.attempts.map(reportAttempt),
    confidence: last.confidence,
    ...(includeOriginals ? { original: entity.text } : {}),
  };
}

const reportAttempt = (attempt: Attempt): ReportAttempt => ({
  engine: attempt.engine,
  seed: attempt.seed,
  verdict: attempt.verdict,
  confidence: attempt.confidence,
  similarity_to_fake: round(attempt.check.similarityToFake),
  similarity_to_original: round(attempt.check.similarityToOriginal),
  expected_similarity: round(attempt.check.expectedSimilarity),
  ...(attempt.error === undefined ? {} : { error: attempt.error }),
});

const round = (value: number): number => Math.round(value * 1e4) / 1e4;

const mutableBox = (box: readonly [number, number, number, number]): [number, number, number, number] => [
  round(box[0]),
  round(box[1]),
  round(box[2]),
  round(box[3]),
];
