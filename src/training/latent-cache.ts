/**
 * Latents and glyph features on disk, so that a UNet's training runs its frozen encoders once for a sample instead of
 * once for a step.
 *
 * Kept is the posterior (mean and log-variance, not a sample of it), the masked crop's latents under the text's mask, the
 * mask on the latents, and the glyph encoder's hidden states of the text (unless that encoder is trained). A sample's key
 * is the hash of its page's bytes, its region, the crop's shape and the number of its variant; the group it lies in is
 * the hash of everything else that decides the numbers: weights and graph of the encoders, precision, seed, augmentation,
 * mask grid and fill, version of this package and of what decodes images. So an entry is never the answer to another
 * question; what changes makes new entries.
 *
 * Crop and augmentation of a sample come in a fixed number of variants, one after the other by epoch, because a new crop
 * each time could not be kept. Every sample is encoded by itself: what it is beside does not change a bit of it, so a
 * run that finds an entry and one that makes it go on with the same numbers.
 */
import sharp from "sharp";
import type { HostTensor, NativeBatch, NativeTrainer } from "../addon/native-types.ts";
import type { UNetTrainerConfig } from "../config/training-config.ts";
import { packTensors, unpackTensors } from "../datasets/cached-inputs.ts";
import type { Crop } from "../datasets/crops.ts";
import { EntryStore, type EntryStoreOptions, entryKey, groupOf } from "../datasets/entry-store.ts";
import type { CachedSample, SampleCache, SampleIdentity } from "../datasets/sample-cache.ts";
import { codedError } from "../errors.ts";
import { draftVersion } from "../ink/draft.ts";
import type { ModelFolder } from "../models/model-folder.ts";
import { renderGlyphImage } from "../rendering/glyph-image.ts";
import { sha256Of } from "../sha256.ts";
import { packageVersion } from "../telemetry/package-version.ts";
import { cropOptions, glyphOptions } from "./crop-options.ts";
import type { WarningEvent } from "./events.ts";
import type { TrainingModels } from "./training-plan.ts";

/** Raise it when what an entry holds changes its meaning. */
const format = 1;
/** Damaged entries that a warning names. */
const named = 10;

type Encoder = Pick<NativeTrainer, "encode">;
type Tensors = Readonly<Record<string, HostTensor>>;
/** A configuration that has a cache. */
export type CachedConfig = UNetTrainerConfig & { readonly cache: NonNullable<UNetTrainerConfig["cache"]> };

export interface LatentCacheStats {
  /** Samples whose latents were there. */
  readonly hits: number;
  /** Samples whose latents were made. */
  readonly made: number;
}

const hashesOf = (folder: ModelFolder): unknown => folder.metadata.sha256;

/** What the entries of a configuration are made with. */
function recipes(config: CachedConfig, models: TrainingModels): { latents: unknown; glyphs: unknown } {
  const software = { package: packageVersion, vips: sharp.versions.vips };
  const glyph = glyphOptions(config, models);
  const drawing = sha256Of(renderGlyphImage("Ärger 0123 & co, €9.50", glyph).data);
  return {
    latents: {
      what: "latents",
      format,
      vae: hashesOf(models.vae!),
      precision: config.precision,
      seed: config.seed,
      maskGrid: cropOptions(config, models).maskGrid,
      maskedFill: config.loss.masked_fill,
      ...(config.loss.masked_fill === "draft" ? { draft: draftVersion } : {}),
      augment: config.augment,
      software,
    },
    glyphs: {
      what: "glyphs",
      format,
      encoder: hashesOf(models.glyphEncoder!),
      precision: config.precision,
      glyph,
      drawing,
      software,
    },
  };
}

/** The folder's groups that belong to a configuration. */
export function cacheGroups(config: CachedConfig, models: TrainingModels) {
  const { latents, glyphs } = recipes(config, models);
  return { latents: groupOf(latents), glyphs: groupOf(glyphs), recipes: { latents, glyphs } };
}

export class LatentCache implements SampleCache {
  readonly store: EntryStore;
  readonly #groups: { readonly latents: string; readonly glyphs: string };
  readonly #glyph: ReturnType<typeof glyphOptions>;
  readonly #keepsGlyphs: boolean;
  #encoder: Encoder | undefined;
  #hits = 0;
  #made = 0;
  #toldDamaged = 0;
  #toldRefused = false;

  private constructor(
    store: EntryStore,
    groups: { readonly latents: string; readonly glyphs: string },
    config: CachedConfig,
    models: TrainingModels,
  ) {
    this.store = store;
    this.#groups = groups;
    this.#glyph = glyphOptions(config, models);
    this.#keepsGlyphs = !config.glyph_encoder.trainable;
  }

  /** Opens the folder and checks every entry of this configuration. @throws ERR_OUTPUT, ERR_ABORTED. */
  static async open(
    config: CachedConfig,
    models: TrainingModels,
    options: Pick<EntryStoreOptions, "signal" | "onProgress" | "keepDamaged"> = {},
  ): Promise<LatentCache> {
    const { latents, glyphs, recipes } = cacheGroups(config, models);
    const store = await EntryStore.open(config.cache.dir, {
      ...options,
      groups: { [latents]: recipes.latents, ...(config.glyph_encoder.trainable ? {} : { [glyphs]: recipes.glyphs }) },
      maxBytes: config.cache.max_bytes,
    });
    return new LatentCache(store, { latents, glyphs }, config, models);
  }

  /** Who makes what is missing. */
  useEncoder(encoder: Encoder): void {
    this.#encoder = encoder;
  }

  get stats(): LatentCacheStats {
    return { hits: this.#hits, made: this.#made };
  }

  /** Whether the sample's latents are there (its glyph features may still have to be made). */
  hasLatents(sample: SampleIdentity): boolean {
    return this.store.has(this.#groups.latents, latentKey(sample));
  }

  async get(sample: SampleIdentity, crop: () => Promise<Crop>): Promise<CachedSample> {
    const { tensors, text } = await this.#latents(sample, crop);
    const { mean, logvar, masked, mask } = tensors as Record<"mean" | "logvar" | "masked" | "mask", HostTensor>;
    const glyphs = this.#keepsGlyphs ? { glyphs: await this.#glyphs(text) } : {};
    return { mean, logvar, masked, mask, ...glyphs, text };
  }

  /** What happened since the last call that a user should know. */
  takeWarnings(): Omit<WarningEvent, "type" | "step">[] {
    const warnings: Omit<WarningEvent, "type" | "step">[] = [];
    const { damaged, folder, refused, refusals } = this.store;
    const fresh = damaged.slice(this.#toldDamaged);
    this.#toldDamaged = damaged.length;
    if (fresh.length > 0) {
      const list = fresh.slice(0, named).map(({ path, reason }) => `${path} (${reason})`);
      if (fresh.length > named) list.push(`${fresh.length - named} more`);
      warnings.push({
        code: "cache_damaged",
        message: `Damaged cache entries were removed and are made again: ${list.join("; ")}`,
        details: { count: fresh.length, entries: fresh.slice(0, 1000) },
      });
    }
    if (refused !== undefined && !this.#toldRefused) {
      this.#toldRefused = true;
      const full = refused === "full";
      const why = full
        ? "it has reached cache.max_bytes"
        : `the disk refuses: ${refused.error instanceof Error ? refused.error.message : String(refused.error)}`;
      warnings.push({
        code: full ? "cache_full" : "cache_not_written",
        message: `The cache ${folder} takes no further entries (${why}); what it lacks is made anew each time`,
        details: { folder, refusals, ...this.store.size },
      });
    }
    return warnings;
  }

  async #latents(
    sample: SampleIdentity,
    crop: () => Promise<Crop>,
  ): Promise<{ readonly tensors: Tensors; readonly text: string }> {
    const key = latentKey(sample);
    const kept = await this.#read(this.#groups.latents, key, ["mean", "logvar", "masked", "mask"]);
    if (typeof kept?.notes["text"] === "string") {
      this.#hits++;
      return { tensors: kept.tensors, text: kept.notes["text"] };
    }
    const { image, mask, draft, text } = await crop();
    const { height, width } = sample.size;
    const pixels = { images: image, masks: mask, ...(draft === undefined ? {} : { drafts: draft }) };
    const encoded = await this.#encode({ ids: [sample.id], ...pixels, height, width }, sample.variant);
    const { glyphs: _, ...tensors } = encoded;
    this.#made++;
    await this.store.write(this.#groups.latents, key, packTensors({ tensors: tensors as Tensors, notes: { text } }));
    return { tensors: tensors as Tensors, text };
  }

  async #glyphs(text: string): Promise<HostTensor> {
    const key = entryKey([text]);
    const kept = await this.#read(this.#groups.glyphs, key, ["glyphs"]);
    if (kept !== undefined) return kept.tensors["glyphs"]!;
    const { data, height, width } = renderGlyphImage(text, this.#glyph);
    const { glyphs } = await this.#encode({ ids: [0n], height, width, glyphs: data }, 0);
    await this.store.write(this.#groups.glyphs, key, packTensors({ tensors: { glyphs: glyphs! }, notes: {} }));
    return glyphs!;
  }

  /** An entry with the tensors of these names; one that is whole but holds something else counts as absent. */
  async #read(group: string, key: string, names: readonly string[]) {
    const bytes = await this.store.read(group, key);
    const unpacked = bytes === undefined ? undefined : unpackTensors(bytes);
    return unpacked !== undefined && names.every((name) => name in unpacked.tensors) ? unpacked : undefined;
  }

  #encode(
    batch: {
      ids: bigint[];
      height: number;
      width: number;
      images?: Uint8Array;
      masks?: Uint8Array;
      drafts?: Uint8Array;
      glyphs?: Uint8Array;
    },
    variant: number,
  ) {
    if (this.#encoder === undefined)
      throw codedError("ERR_NATIVE", "A cache without encoder was asked for a new entry");
    const { ids, glyphs, ...rest } = batch;
    const native: Omit<NativeBatch, "images"> & Partial<NativeBatch> = {
      ...rest,
      ids: BigUint64Array.from(ids),
      variants: BigUint64Array.of(BigInt(variant)),
      ...(glyphs === undefined ? {} : { glyphs, glyphHeight: batch.height, glyphWidth: batch.width }),
    };
    return this.#encoder.encode(native);
  }
}

/** What the group's recipe leaves open. */
function latentKey({ id, region, content, size, variant }: SampleIdentity): string {
  const { box, quad, text, words } = region;
  return entryKey([content, String(id), { box, quad, text, words }, size.height, size.width, variant]);
}
