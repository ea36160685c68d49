import type { Report, ReportEntity } from "../../src/report.ts";

const hash = "ab".repeat(32);

const entity = (id: string, page: number, box: [number, number, number, number], fake: string): ReportEntity => ({
  id,
  type: "person",
  page,
  box,
  score: 0.9,
  recognizer: "person",
  reason: "label",
  fake,
  engine: "classical",
  attempts: [],
  confidence: 0.95,
});

/** The report of two pages: a value replaced on each, and one leak on the first. */
export const sampleReport = (width: number, height: number): Report => ({
  schema_version: 1,
  document: {
    name: "scan.tiff",
    format: "tiff",
    bytes: 1000,
    sha256: hash,
    pages: [
      { index: 0, width, height },
      { index: 1, width, height },
    ],
  },
  output: { format: "tiff", bytes: 1000, sha256: hash },
  proven: false,
  unproven_because: ["1 original value can still be read"],
  confidence: 0,
  engine: { requested: "auto", chosen: "classical", reason: "asked for" },
  reading: { requested: "auto", chosen: "tesseract", reason: "asked for", verifiers: ["tesseract"] },
  entities: [
    entity("p0-e0", 0, [100, 100, 300, 130], "Jonas Birk"),
    entity("p1-e0", 1, [width - 210, height - 40, width - 10, height - 10], "Olga Sandmann"),
  ],
  image_regions: [],
  verification: {
    regions: { checked: 2, accepted: 2, solid: 0 },
    leaks: [{ entity: "p0-e0", page: 0, similarity: 0.9, boxes: [[400, 500, 600, 530]], regions: [] }],
    outside: { compared: 100, changed: 0 },
    redetection: { known: 2, unknown: [] },
    neighbours: { checked: 0, damaged: 0 },
    codes: { checked: 0, readable: [] },
    unread: { words: 0, areas: 0, share: 0 },
    metadata: { clean: true, found: [] },
    rounds: 1,
  },
  timings_ms: { total: 1 },
  key_id: null,
  config_sha256: hash,
  seed: 0,
  versions: {},
});
