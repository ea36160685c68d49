/** The anonymize flow, top to bottom: decode → read → find → invent → draw → prove → encode. */
import { randomBytes } from "node:crypto";
import { setMaxListeners } from "node:events";
import { buildReport } from "./anonymizer/build-report.ts";
import { findEntities, invent, textOf } from "./anonymizer/find.ts";
import { keyId } from "./anonymizer/identity.ts";
import {
  codeContents,
  coverPages,
  type Hidden,
  hideInRegions,
  printedContents,
  readableCodes,
  withRegions,
} from "./anonymizer/image-regions.ts";
import { improve } from "./anonymizer/improve.ts";
import { createMemory, type Memory, openVault } from "./anonymizer/memory.ts";
import {
  coversAsTheyLie,
  pagesAsTheyCame,
  pagesAsTheyLie,
  type ReadDocument,
  readUpright,
  regionsAsTheyCame,
  replacementsAsTheyCame,
  reportAsItCame,
  type UprightDocument,
} from "./anonymizer/orientation.ts";
import { Painting } from "./anonymizer/painting.ts";
import { type ProgressEvent, StageClock } from "./anonymizer/progress.ts";
import { type Proof, prove } from "./anonymizer/proof.ts";
import { AnonymizeResult } from "./anonymizer/result.ts";
import { type CustomParts, openRooms, type Rooms } from "./anonymizer/rooms.ts";
import type { AnonymizerConfig, AnonymizerConfigInput } from "./config/anonymizer-config.ts";
import { loadConfig } from "./config/load-config.ts";
import { resolveKey } from "./config/secret-key.ts";
import { findImageRegions } from "./detection/image-regions/find-regions.ts";
import type { ImageRegion } from "./detection/image-regions/image-region.ts";
import { isSlanting } from "./detection/level-page.ts";
import type { OcrPage } from "./detection/ocr.ts";
import { type DocumentInput, decodeDocument } from "./documents/decode.ts";
import { type DecodedDocument, type DocumentFormat, holdsPages } from "./documents/document.ts";
import { encodeDocument } from "./documents/encode.ts";
import type { Size } from "./documents/geometry.ts";
import type { RasterImage } from "./documents/image.ts";
import { limitsFrom } from "./documents/limits.ts";
import { codedError, throwIfAborted } from "./errors.ts";
import { type Claim, HashedOwners } from "./replacement/owners.ts";
import type { Pseudonymizer } from "./replacement/pseudonyms.ts";
import type { Replacement } from "./replacement/replacement.ts";
import { sha256InPieces } from "./sha256.ts";
import { type Logger, silentLogger } from "./telemetry/logger.ts";
import { findMetadata } from "./verification/metadata.ts";
import { measureUnread, sumUnread, type UnreadInk } from "./verification/unread.ts";

export interface CreateOptions {
  readonly signal?: AbortSignal;
  readonly logger?: Logger;
  /** The caller's own OCR or drawing engine in place of the built-in ones. The work is then done in the calling thread. */
  readonly parts?: CustomParts;
  /**
   * Remember over documents who has which invented value, so that no two originals share one; starting from what
   * earlier instances with the same key gave by `takeClaims`, or from []. A vault does that by itself. Default: within a
   * document only; then each result depends on key, document and settings alone.
   */
  readonly claims?: Iterable<Claim>;
}

export interface FlowOptions extends CreateOptions {
  /** Used where the configuration and the environment have no key. Default: a random one. */
  readonly ownKey?: string;
}

export interface AnonymizeOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: ProgressEvent) => void;
}

/** What would be replaced by what. Holds the original texts: it is for the caller's eyes, not for logs. */
export interface DetectionPlan {
  readonly document: Pick<DecodedDocument, "name" | "format" | "bytes" | "sha256">;
  readonly pages: readonly Size[];
  /** Entities with their boxes (page pixels) and invented values. */
  readonly replacements: readonly Replacement[];
  /** Codes, signatures and photographs that would be covered as `images` of the configuration says. */
  readonly imageRegions: readonly ImageRegion[];
  /** What could not be read, and so not be searched. */
  readonly unread: UnreadInk;
  readonly timings: Readonly<Record<string, number>>;
}

/** Rounds in which originals found in untouched text may still become regions. */
const addingRounds = 3;

/**
 * The work of an `Anonymizer` (src/anonymizer/anonymizer.ts), in the thread it is called in. Each document is read, its
 * personal data is found, replaced by invented values and drawn into the page; then the result is proven by reading it
 * again (src/anonymizer/proof.ts says what that means).
 */
export class AnonymizeFlow {
  readonly config: AnonymizerConfig;
  /** Tells keys apart without revealing them; null when the key was made for this instance. */
  readonly keyId: string | null;
  readonly #rooms: Rooms;
  readonly #memory: Memory;
  readonly #owners: HashedOwners | undefined;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();

  private constructor(
    config: AnonymizerConfig,
    rooms: Rooms,
    memory: Memory,
    owners: HashedOwners | undefined,
    id: string | null,
    logger: Logger,
  ) {
    this.config = config;
    this.keyId = id;
    this.#rooms = rooms;
    this.#memory = memory;
    this.#owners = owners;
    this.#logger = logger;
  }

  /** As `Anonymizer.create`. */
  static async create(config: AnonymizerConfigInput | string = {}, options: FlowOptions = {}): Promise<AnonymizeFlow> {
    const { signal, logger = silentLogger, parts = {}, ownKey = randomBytes(32).toString("hex") } = options;
    throwIfAborted(signal);
    const checked = await loadConfig(config, "anonymizer");
    const key = await resolveKey(checked);
    const vault = checked.vault === undefined ? undefined : await openVault(checked, { create: true });
    const secret = key ?? ownKey;
    const rooms = await openRooms(checked, secret, parts, {
      logger,
      ...(signal && { signal }),
    });
    logger.debug({ engine: rooms.choice }, "anonymizer ready");
    const owners = options.claims && vault === undefined ? new HashedOwners(secret, options.claims) : undefined;
    const memory = createMemory(rooms.pseudonymizer, { vault, owners });
    return new AnonymizeFlow(checked, rooms, memory, owners, key === undefined ? null : keyId(key), logger);
  }

  /** As `Anonymizer.takeClaims`. */
  takeClaims(): Claim[] {
    return this.#owners?.takeFresh() ?? [];
  }

  /** Which engines read, and why. */
  get reading(): Rooms["readingChoice"] {
    return this.#rooms.readingChoice;
  }

  /** Which engine draws, and why. */
  get engine(): Rooms["choice"] {
    return this.#rooms.choice;
  }

  /** As `Anonymizer.anonymize`. */
  anonymize(input: DocumentInput, options: AnonymizeOptions = {}): Promise<AnonymizeResult> {
    return this.#track(options.signal, async (signal) => {
      const clock = new StageClock(options.onProgress);
      const decoded = await this.#decode(input, clock, signal);
      const format = outputFormat(decoded, this.config.output.format);
      const { document, readings, firstReadings } = await this.#read(decoded, clock, signal);
      const found = await this.#findRegions(document, readings, clock, signal);
      const unread = await this.#measureUnread(document, readings, found, clock, signal);
      const { drawn, hidden, regions, contents } = await this.#findAndInvent(readings, found, clock, signal, (make) =>
        this.#memory.keep(document, make, (made) => replacementsAsTheyCame(document, made), signal),
      );
      const { pages: base, covered } = await this.#coverRegions(document, regions, contents, clock, signal);
      const { painting, proof, rounds } = await this.#drawAndProve(
        { document, base, regions },
        { readings, firstReadings },
        { drawn, hidden: [...hidden, ...contents] },
        clock,
        signal,
      );
      const readable = await clock.run("prove", 1, () =>
        readableCodes(painting.finished, regions, this.#rooms.codes, signal),
      );
      const { pages, data, metadata, settings } = await this.#encode(document, painting, format, clock, signal);
      const upright = buildReport({
        document,
        painting,
        proof,
        rounds,
        unread,
        slanting: drawn.filter(({ entity }) => isSlanting(readings[entity.page]!.lines[entity.line]!)).length,
        covered,
        readable,
        output: { format, bytes: data.length, sha256: await sha256InPieces(data) },
        metadata,
        choice: this.#rooms.choice,
        config: this.config,
        keyId: this.keyId,
        reading: this.#rooms.readingChoice,
        timings: clock.timings(),
      });
      const report = reportAsItCame(upright, document);
      this.#logger.info(
        {
          sha256: document.sha256,
          entities: report.entities.length,
          proven: report.proven,
          ms: report.timings_ms["total"],
        },
        "document anonymized",
      );
      return new AnonymizeResult(pages, data, format, report, settings);
    });
  }

  /** As `Anonymizer.detect`. */
  detect(input: DocumentInput, options: AnonymizeOptions = {}): Promise<DetectionPlan> {
    return this.#track(options.signal, async (signal) => {
      const clock = new StageClock(options.onProgress);
      const decoded = await this.#decode(input, clock, signal);
      const { document, readings } = await this.#read(decoded, clock, signal);
      const found = await this.#findRegions(document, readings, clock, signal);
      const unread = await this.#measureUnread(document, readings, found, clock, signal);
      const { drawn, regions } = await this.#findAndInvent(readings, found, clock, signal, this.#memory.look);
      const { name, format, bytes, sha256: hash } = document;
      return {
        document: { name, format, bytes, sha256: hash },
        pages: decoded.pages.map(({ image }) => ({ width: image.width, height: image.height })),
        replacements: replacementsAsTheyCame(document, drawn),
        imageRegions: regionsAsTheyCame(document, regions),
        unread: sumUnread(unread),
        timings: clock.timings(),
      };
    });
  }

  /** As `Anonymizer.close`. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(codedError("ERR_CLOSED", "The anonymizer was closed"));
    await Promise.allSettled([...this.#running]);
    await this.#rooms.close();
  }

  async #track<T>(outer: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw codedError("ERR_CLOSED", "The anonymizer is closed");
    throwIfAborted(outer);
    const signal = AbortSignal.any(outer ? [outer, this.#closing.signal] : [this.#closing.signal]);
    // Every region that waits for the OCR engine listens to it.
    setMaxListeners(0, signal);
    const running = work(signal);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  #decode(input: DocumentInput, clock: StageClock, signal: AbortSignal): Promise<DecodedDocument> {
    const limits = limitsFrom(this.config.limits);
    return clock.run("decode", 1, async (step) => {
      const document = await decodeDocument(input, { limits, signal });
      step();
      return document;
    });
  }

  #read(document: DecodedDocument, clock: StageClock, signal: AbortSignal): Promise<ReadDocument> {
    const { timeout_ms: timeoutMs, workers } = this.config.ocr;
    return clock.run("read", document.pages.length, (onPage) =>
      readUpright(document, this.#rooms.ocr, {
        signal,
        timeoutMs,
        atOnce: 2 * workers,
        others: this.#rooms.otherOcr,
        onPage,
      }),
    );
  }

  #measureUnread(
    document: DecodedDocument,
    readings: readonly OcrPage[],
    regions: readonly ImageRegion[],
    clock: StageClock,
    signal: AbortSignal,
  ): Promise<UnreadInk[]> {
    return clock.run("find", document.pages.length, async (step) => {
      const pages: UnreadInk[] = [];
      for (const [index, { image }] of document.pages.entries()) {
        pages.push(await measureUnread(image, withRegions(readings[index]!, index, regions), signal));
        step();
      }
      return pages;
    });
  }

  #findRegions(
    document: DecodedDocument,
    readings: readonly OcrPage[],
    clock: StageClock,
    signal: AbortSignal,
  ): Promise<ImageRegion[]> {
    const options = { images: this.config.images, codes: this.#rooms.codes, signal };
    return clock.run("find", document.pages.length, async (step) => {
      const regions: ImageRegion[] = [];
      for (const [index, { image }] of document.pages.entries()) {
        regions.push(...(await findImageRegions(image, readings[index]!, index, options)));
        step();
      }
      return regions;
    });
  }

  /** The pages to draw on: what is no text is covered on them. */
  #coverRegions(
    document: UprightDocument,
    regions: readonly ImageRegion[],
    inContents: readonly Replacement[],
    clock: StageClock,
    signal: AbortSignal,
  ) {
    const images = document.pages.map(({ image }) => image);
    const contents = new Map(inContents.map(({ entity, fake }) => [entity.id, fake]));
    const options = { images: this.config.images, contents, codes: this.#rooms.codes, signal };
    return clock.run("draw", regions.length, async () => {
      const { pages, covered } = await coverPages(images, regions, options);
      return { pages: await coversAsTheyLie(document, pages, regions, signal), covered };
    });
  }

  async #findAndInvent(
    readings: readonly OcrPage[],
    regions: readonly ImageRegion[],
    clock: StageClock,
    signal: AbortSignal,
    remembering: (make: (pseudonymizer: Pseudonymizer) => Promise<Replacement[]>) => Promise<Replacement[]>,
  ): Promise<Hidden & { readonly contents: readonly Replacement[] }> {
    const { detector } = this.#rooms;
    const minSimilarity = this.config.gate.leak_similarity;
    const printed = await printedContents(regions, readings, { minSimilarity, signal });
    const found = await clock.run("find", readings.length, (onPage) =>
      findEntities(readings, detector, { minSimilarity, signal, onPage, printed }),
    );
    throwIfAborted(signal);
    return clock.run("invent", 1, async (step) => {
      // Contents of codes are values of the document like any other.
      const coded = codeContents(regions);
      const all = await remembering((pseudonymizer) =>
        invent(found, readings.map(textOf), pseudonymizer, signal, coded),
      );
      const codes = new Set(coded.map(({ id }) => id));
      step();
      const text = all.filter(({ entity }) => !codes.has(entity.id));
      return {
        ...hideInRegions(text, regions, readings),
        contents: all.filter(({ entity }) => codes.has(entity.id)),
      };
    });
  }

  /** Draws, proves, and as long as the proof fails and something is left to try, draws again. */
  async #drawAndProve(
    {
      document,
      base,
      regions,
    }: {
      readonly document: UprightDocument;
      readonly base: readonly RasterImage[];
      readonly regions: readonly ImageRegion[];
    },
    { readings, firstReadings }: Omit<ReadDocument, "document">,
    { drawn, hidden }: Pick<Hidden, "drawn" | "hidden">,
    clock: StageClock,
    signal: AbortSignal,
  ): Promise<{ painting: Painting; proof: Proof; rounds: number }> {
    const { engines, solid, ocr, otherOcr, detector } = this.#rooms;
    const { gate, seed } = this.config;
    const settings = {
      engines,
      solid,
      retries: gate.retries,
      solidFallback: gate.solid_fallback,
      seed,
      documentHash: document.sha256,
    };
    const frames = document.sloping.map((page) => page?.frame);
    const painting = await Painting.create(base, settings, frames, signal);
    painting.add(drawn);
    const pageTexts = readings.map(textOf);
    let proof: Proof | undefined;
    for (let round = 1; ; round++) {
      const changed = await clock.run("draw", painting.pendingCount, (onRegion) => painting.draw({ signal, onRegion }));
      const before = proof;
      proof = await clock.run("prove", document.pages.length + changed.size, (onRead) =>
        prove(painting, changed, before, {
          ocr,
          others: otherOcr,
          inputReadings: firstReadings,
          inputPages: pagesAsTheyLie(document),
          covered: regions,
          hidden,
          detector,
          gate: { minConfidence: gate.min_confidence, leakSimilarity: gate.leak_similarity },
          timeoutMs: this.config.ocr.timeout_ms,
          signal,
          onRead,
        }),
      );
      const current = proof;
      const left = await this.#memory.keep(
        document,
        (pseudonymizer) =>
          improve(painting, current, { pseudonymizer, hidden, pageTexts, mayAdd: round <= addingRounds, signal }),
        () => replacementsAsTheyCame(document, painting.replacements),
        signal,
      );
      if (left === 0) return { painting, proof, rounds: round };
    }
  }

  #encode(
    document: UprightDocument,
    painting: Painting,
    format: DocumentFormat,
    clock: StageClock,
    signal: AbortSignal,
  ) {
    return clock.run("encode", 1, async (step) => {
      const pages = await pagesAsTheyCame(document, painting.finished);
      const { quality } = this.config.output;
      const settings = { quality: quality === "same" ? (document.quality ?? 95) : quality };
      const data = await encodeDocument(pages, format, { ...settings, signal });
      const metadata = await findMetadata(data);
      step();
      return { pages, data, metadata, settings };
    });
  }
}

/** Told before the work, not after it. */
function outputFormat(document: DecodedDocument, wanted: DocumentFormat | "same"): DocumentFormat {
  const format = wanted === "same" ? document.format : wanted;
  if (document.pages.length > 1 && !holdsPages(format)) {
    const message = `${document.name} has ${document.pages.length} pages; only tiff and pdf hold several, not ${format}`;
    throw codedError("ERR_INVALID_ARGUMENT", message, { details: { pages: document.pages.length, format } });
  }
  return format;
}
