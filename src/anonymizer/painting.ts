/**
 * The pages while their regions are drawn, judged and drawn again.
 *
 * Each region climbs a ladder until it is accepted: the first engine, the same with other seeds, the next simpler
 * engine likewise, a solid box. Patches are always cut from the original page, and a region that is drawn again first
 * gets its original pixels back, so nothing is left of a refused drawing. All boxes are those of level pages.
 */
import type { Box } from "../documents/geometry.ts";
import { boxArea, intersectBoxes } from "../documents/geometry.ts";
import { cropImage, pasteImage, type RasterImage } from "../documents/image.ts";
import type { LevelFrame } from "../documents/level-frame.ts";
import { AnonymizerError, isErrorCode, throwIfAborted, withCode } from "../errors.ts";
import { pastePatch } from "../inpainting/blending.ts";
import type { Patch, PatchEngine, PatchResult } from "../inpainting/patch.ts";
import { extractPatch } from "../inpainting/patches.ts";
import { regionSeed } from "../inpainting/region-seed.ts";
import type { Replacement } from "../replacement/replacement.ts";
import { regionConfidence } from "../verification/confidence.ts";
import type { GateVerdict } from "../verification/gate.ts";
import type { PaintedRegion } from "../verification/painted.ts";
import type { RegionCheck } from "../verification/region-check.ts";
import { type Canvas, levelCanvas, slopingCanvas } from "./canvas.ts";

export interface Attempt {
  readonly engine: PatchEngine["name"];
  readonly seed: number;
  readonly verdict: GateVerdict | "leak" | "failed";
  readonly check: RegionCheck;
  /** 0…1. */
  readonly confidence: number;
  /** Error code when the engine failed. */
  readonly error?: string;
}

/** Where a page was drawn on or cleared. */
interface Dirty {
  readonly page: number;
  readonly box: Box;
}

interface Region {
  readonly replacement: Replacement;
  readonly attempts: Attempt[];
  rung: number;
  /** The drawing on the page now. */
  drawn?: { readonly patch: Patch; readonly result: PatchResult; readonly engine: PatchEngine["name"] };
  pending: boolean;
}

export interface PaintingOptions {
  /** Best first, without the solid one. */
  readonly engines: readonly PatchEngine[];
  readonly solid: PatchEngine;
  /** New attempts of an engine with other seeds. */
  readonly retries: number;
  readonly solidFallback: boolean;
  readonly seed: number;
  /** Hex SHA-256 of the document: part of every region's seed. */
  readonly documentHash: string;
}

const unread: RegionCheck = { similarityToFake: 0, similarityToOriginal: 0, expectedSimilarity: 0 };

export class Painting {
  readonly #canvases: readonly Canvas[];
  readonly #regions = new Map<string, Region>();
  readonly #ladder: readonly PatchEngine[];
  readonly #options: PaintingOptions;

  private constructor(canvases: readonly Canvas[], options: PaintingOptions) {
    this.#canvases = canvases;
    this.#options = options;
    const tries = options.engines.flatMap((engine) => Array.from({ length: options.retries + 1 }, () => engine));
    this.#ladder = options.solidFallback ? [...tries, options.solid] : tries;
  }

  /** `frames` has those of pages whose lines slope. Rejects with ERR_ABORTED. */
  static async create(
    pages: readonly RasterImage[],
    options: PaintingOptions,
    frames: readonly (LevelFrame | undefined)[] = [],
    signal?: AbortSignal,
  ): Promise<Painting> {
    const canvases: Canvas[] = [];
    for (const [i, page] of pages.entries()) {
      const frame = frames[i];
      canvases.push(frame === undefined ? await levelCanvas(page) : await slopingCanvas(page, frame, signal));
    }
    return new Painting(canvases, options);
  }

  /** Level, before anything was drawn. */
  get originals(): readonly RasterImage[] {
    return this.#canvases.map(({ original }) => original);
  }

  /** As they are now, level: what is read. */
  get pages(): readonly RasterImage[] {
    return this.#canvases.map(({ view }) => view);
  }

  /** As they are to be given out. */
  get finished(): readonly RasterImage[] {
    return this.#canvases.map(({ finished }) => finished);
  }

  get frames(): readonly (LevelFrame | undefined)[] {
    return this.#canvases.map(({ frame }) => frame);
  }

  add(replacements: readonly Replacement[]): void {
    for (const replacement of replacements) {
      this.#regions.set(replacement.entity.id, { replacement, attempts: [], rung: 0, pending: true });
    }
  }

  get pendingCount(): number {
    return [...this.#regions.values()].filter((region) => region.pending).length;
  }

  get regions(): readonly { readonly replacement: Replacement; readonly attempts: readonly Attempt[] }[] {
    return [...this.#regions.values()];
  }

  get replacements(): readonly Replacement[] {
    return this.regions.map(({ replacement }) => replacement);
  }

  /** Every region with a drawing, as the checks want it. */
  painted(): PaintedRegion[] {
    const painted: PaintedRegion[] = [];
    for (const [id, { replacement, drawn }] of this.#regions) {
      if (!drawn) continue;
      const { entity, fake } = replacement;
      painted.push({
        id,
        page: entity.page,
        box: maskOnPage(drawn.patch),
        textBox: entity.box,
        original: entity.text,
        fake: drawn.engine === "solid" ? null : fake,
      });
    }
    return painted;
  }

  /**
   * Draws all pending regions, engine by engine and page by page. An engine that fails costs the region a rung of its
   * ladder, not the document. Returns the ids of the regions drawn. Rejects with ERR_ABORTED.
   */
  async draw(options: { signal?: AbortSignal; onRegion?: () => void } = {}): Promise<Set<string>> {
    const changed = new Set<string>();
    const dirty: Dirty[] = [];
    for (;;) {
      const next = [...this.#regions.entries()].filter(([, region]) => region.pending);
      if (next.length === 0) {
        await this.#settle(dirty, options.signal);
        return changed;
      }
      const [, { rung, replacement }] = next[0]!;
      const engine = this.#ladder[rung]!;
      const batch = next.filter(
        ([, region]) =>
          this.#ladder[region.rung] === engine && region.replacement.entity.page === replacement.entity.page,
      );
      const patches: Patch[] = [];
      for (const [id, region] of batch) {
        throwIfAborted(options.signal);
        patches.push(this.#patchOf(id, region));
        await new Promise(setImmediate);
      }
      const results = await generate(engine, patches, options.signal);
      for (const [i, [id, region]] of batch.entries()) {
        throwIfAborted(options.signal);
        const result = results[i]!;
        const patch = patches[i]!;
        if ("error" in result) {
          const failed: Attempt = {
            engine: engine.name,
            seed: patch.seed,
            verdict: "failed",
            check: unread,
            confidence: 0,
            error: result.error,
          };
          region.attempts.push(failed);
          if (!this.#climb(region)) throw withCode(result.cause, "ERR_NATIVE", `The ${engine.name} engine failed`);
          continue;
        }
        dirty.push(...this.#paste(id, region, { patch, result, engine: engine.name }));
        region.pending = false;
        changed.add(id);
        options.onRegion?.();
        await new Promise(setImmediate);
      }
    }
  }

  /** Records what the checks say about the drawing on the page. */
  judge(id: string, check: RegionCheck, verdict: GateVerdict | "leak"): void {
    const region = this.#regions.get(id)!;
    const { engine, patch } = region.drawn!;
    const confidence = regionConfidence(check, engine === "solid");
    const last = region.attempts.at(-1);
    if (last && last.seed === patch.seed && last.engine === engine) region.attempts.pop();
    region.attempts.push({ engine, seed: patch.seed, verdict, check, confidence });
  }

  /** What was said last about the drawing on the page. */
  verdict(id: string): Attempt | undefined {
    return this.#regions.get(id)?.attempts.at(-1);
  }

  /** An accepted drawing that the leak search refuses after all. */
  refuse(id: string): void {
    const { attempts } = this.#regions.get(id)!;
    const last = attempts.at(-1)!;
    if (last.verdict === "accepted") attempts.splice(-1, 1, { ...last, verdict: "leak" });
  }

  /** Marks a region to be drawn on the next rung; false when there is none. */
  redraw(id: string): boolean {
    return this.#climb(this.#regions.get(id)!);
  }

  #climb(region: Region): boolean {
    if (region.rung + 1 >= this.#ladder.length) return false;
    region.rung++;
    region.pending = true;
    return true;
  }

  #patchOf(id: string, region: Region): Patch {
    const { entity } = region.replacement;
    const others = [...this.#regions.values()]
      .map((other) => other.replacement.entity)
      .filter((other) => other !== entity && other.page === entity.page)
      .map((other) => other.box);
    // The seed comes from the run's, the document and the attempt; never from a running generator.
    const { seed, documentHash } = this.#options;
    return extractPatch(this.#canvases[entity.page]!.original, region.replacement, {
      seed: regionSeed(`${seed} ${documentHash}`, id, region.rung),
      others,
    });
  }

  /** Returns what it changed. */
  #paste(id: string, region: Region, drawn: NonNullable<Region["drawn"]>): Dirty[] {
    const pageIndex = region.replacement.entity.page;
    const { drawn: page, original } = this.#canvases[pageIndex]!;
    const dirty = [{ page: pageIndex, box: maskOnPage(drawn.patch) }];
    if (region.drawn) {
      const old = maskOnPage(region.drawn.patch);
      dirty.push({ page: pageIndex, box: old });
      pasteImage(page, cropImage(original, old), old[0], old[1]);
      for (const [otherId, other] of this.#regions) {
        if (otherId === id || !other.drawn || other.replacement.entity.page !== pageIndex) continue;
        if (touches(maskOnPage(other.drawn.patch), old)) pastePatch(page, other.drawn.patch, other.drawn.result);
      }
    }
    region.drawn = drawn;
    pastePatch(page, drawn.patch, drawn.result);
    return dirty;
  }

  async #settle(dirty: readonly Dirty[], signal: AbortSignal | undefined): Promise<void> {
    const painted = this.painted();
    for (const [index, canvas] of this.#canvases.entries()) {
      const boxesOf = (places: readonly Dirty[]): Box[] =>
        places.filter(({ page }) => page === index).map(({ box }) => box);
      if (boxesOf(dirty).length > 0) await canvas.settle(boxesOf(dirty), boxesOf(painted), signal);
    }
  }
}

function maskOnPage(patch: Patch): Box {
  const [x, y] = patch.pageBox;
  return [x + patch.maskBox[0], y + patch.maskBox[1], x + patch.maskBox[2], y + patch.maskBox[3]];
}

export const touches = (a: Box, b: Box): boolean => {
  const common = intersectBoxes(a, b);
  return common[0] < common[2] && common[1] < common[3] && boxArea(common) > 0;
};

type Outcome = PatchResult | { readonly error: string; readonly cause: unknown };

/** The results of a batch; where the batch fails, each patch is tried alone. */
async function generate(engine: PatchEngine, patches: readonly Patch[], signal?: AbortSignal): Promise<Outcome[]> {
  const options = signal ? { signal } : {};
  try {
    return await engine.generate(patches, options);
  } catch (error) {
    rethrowStop(error, signal);
    if (patches.length === 1) return [{ error: codeOf(error), cause: error }];
  }
  const outcomes: Outcome[] = [];
  for (const patch of patches) outcomes.push(...(await generate(engine, [patch], signal)));
  return outcomes;
}

function rethrowStop(error: unknown, signal?: AbortSignal): void {
  throwIfAborted(signal);
  if (error instanceof AnonymizerError && (error.code === "ERR_ABORTED" || error.code === "ERR_CLOSED")) throw error;
}

const codeOf = (error: unknown): string => {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return isErrorCode(code) ? code : "ERR_NATIVE";
};
