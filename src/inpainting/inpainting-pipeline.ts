/** VAE, UNet and glyph encoder as one: images with masks and texts in, repainted images out. */
import { join } from "node:path";
import { type AdapterRequest, checkWeight, nativeAdapter, openAdapters } from "../adapters/apply-adapters.ts";
import { loadNative } from "../addon/binding.ts";
import { resolveDevice } from "../addon/devices.ts";
import type { NativeBatch, NativePipeline } from "../addon/native-types.ts";
import type { RasterImage } from "../documents/image.ts";
import { codedError, throwIfAborted } from "../errors.ts";
import type { InpaintingFacts } from "../models/inpainting-facts.ts";
import {
  glyphSize,
  type ModelFolder,
  numberOf,
  readModelFolder,
  sizeMultiple,
  weightsFile,
} from "../models/model-folder.ts";
import { recommendedSampling, type Sampling } from "../models/sampling.ts";
import { renderGlyphImage } from "../rendering/glyph-image.ts";

export interface InpaintingPipelineOptions {
  /** Folder with the model folders vae, unet and glyph_encoder. */
  readonly models: string;
  /** `auto` (default): the first CUDA device, else the CPU. */
  readonly device?: string;
  readonly precision?: "fp32" | "bf16";
  /** CPU threads; 0 (default) = LibTorch's choice. */
  readonly threads?: number;
  /** Samples of one forward pass, default 8. */
  readonly batchSize?: number;
  /** Low-rank adapters on the UNet; several add up with their weights. */
  readonly adapters?: readonly AdapterRequest[];
  readonly signal?: AbortSignal;
}

/** One image to repaint. All images of a call may have different sizes; equal ones run together. */
export interface InpaintingRequest {
  /** Height and width must be multiples of `sizeMultiple`. */
  readonly image: RasterImage;
  /** width × height values, 1 = repaint. */
  readonly mask: Uint8Array;
  /** The image with `text` roughly drawn where the mask is 1; needed by a UNet that takes drafts, ignored by others. */
  readonly draft?: RasterImage;
  /** What the masked region is to read. */
  readonly text: string;
  /** The same seed gives the same pixels. */
  readonly seed: number | bigint;
}

/**
 * What is not given is as the pipeline's `sampling` says. `guidanceScale` is that of Ho & Salimans 2022. A `strength`
 * below 1 starts from the draft where the UNet takes drafts and else from the image, not from pure noise.
 */
export interface SamplingOptions extends Partial<Sampling> {
  readonly signal?: AbortSignal;
  /** Called after every sampling step of every batch with finished and total steps. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * The inpainting diffusion model.
 *
 * Create throws ERR_MODEL_* for a folder that can't be used, ERR_ADAPTER for an adapter that can't, ERR_LIBTORCH_* and ERR_DEVICE for a machine that can't.
 */
export class InpaintingPipeline {
  readonly #native: NativePipeline;
  readonly #glyph: { readonly height: number; readonly width: number; readonly fit: "pad" | "squash" };
  readonly #batchSize: number;
  #closed = false;
  /** Height and width of images must be multiples of this. */
  readonly sizeMultiple: number;
  /** Where it runs: "cpu", "cuda:0". */
  readonly device: string;
  /** SHA-256 of the UNet's weights. */
  readonly unetSha256: string;
  /** Crop size the UNet was trained with, where its metadata says so. */
  readonly trainedSize: { readonly height: number; readonly width: number } | undefined;

  /** Whether requests need drafts. */
  readonly takesDrafts: boolean;
  /** What `generate` does where it is not told otherwise: what the UNet's metadata recommends. */
  readonly sampling: Sampling;
  /** SHA-256 of each adapter's file, in the order of `adapters`. */
  readonly adapterSha256: readonly string[];

  private constructor(
    native: NativePipeline,
    parts: { vae: ModelFolder; unet: ModelFolder; glyph: ModelFolder },
    device: string,
    batchSize: number,
    sampling: Sampling,
    adapterSha256: readonly string[],
  ) {
    this.#native = native;
    const facts = parts.unet.metadata["inpainting"] as Partial<InpaintingFacts> | undefined;
    this.#glyph = { ...glyphSize(parts.glyph), fit: facts?.glyph?.fit ?? "pad" };
    this.#batchSize = batchSize;
    this.sizeMultiple = sizeMultiple(parts.vae) * sizeMultiple(parts.unet);
    this.device = device;
    this.unetSha256 = parts.unet.metadata.sha256[weightsFile] ?? "";
    this.trainedSize = trainedSize(parts.unet);
    this.takesDrafts = facts?.maskedFill === "draft";
    this.sampling = sampling;
    this.adapterSha256 = adapterSha256;
  }

  static async create(options: InpaintingPipelineOptions): Promise<InpaintingPipeline> {
    const { models, signal } = options;
    const vae = await readModelFolder(join(models, "vae"), "vae", signal);
    const unet = await readModelFolder(join(models, "unet"), "unet", signal);
    const glyph = await readModelFolder(join(models, "glyph_encoder"), "glyph_encoder", signal);
    const adapters = await openAdapters(unet, options.adapters ?? []);
    throwIfAborted(signal);
    const native = await loadNative();
    const device = resolveDevice(options.device ?? "auto", native.info());
    const inputWidth = numberOf(glyph, "hidden_size");
    const outputWidth = numberOf(unet, "cross_attention_dim");
    if (inputWidth !== outputWidth && unet.textProjection === undefined) {
      throw codedError(
        "ERR_MODEL_NOT_FOUND",
        `${unet.path} lacks text_projection.safetensors: the glyph encoder is ${inputWidth} wide, the UNet takes ${outputWidth}`,
        { details: { path: unet.path } },
      );
    }
    const facts = (unet.metadata["inpainting"] ?? {}) as Partial<InpaintingFacts>;
    const sampling = recommendedSampling(facts.sampling, facts.maskedFill === "draft", unet.path);
    checkTrainedWith(unet, "VAE", facts.vaeWeightsSha256, vae);
    checkTrainedWith(unet, "glyph encoder", facts.glyphEncoderWeightsSha256, glyph);
    const pipeline = await native.createPipeline({
      device,
      precision: options.precision ?? "fp32",
      threads: options.threads ?? 0,
      vae: vae.files,
      unet: unet.files,
      glyphEncoder: glyph.files,
      ...(unet.textProjection === undefined
        ? {}
        : { textProjection: { inputWidth, outputWidth, weights: unet.textProjection } }),
      maskedFill: facts.maskedFill ?? "0",
      scalingFactor: facts.scalingFactor ?? numberOf(vae, "scaling_factor"),
      predictionType: facts.predictionType ?? "epsilon",
      ...(adapters.length === 0 ? {} : { adapters: adapters.map(nativeAdapter) }),
    });
    const hashes = adapters.map(({ adapter }) => adapter.sha256);
    return new InpaintingPipeline(pipeline, { vae, unet, glyph }, device, options.batchSize ?? 8, sampling, hashes);
  }

  /**
   * Repaints the masked pixels; the rest of an image comes back as the VAE sees it. Results in the order of `requests`.
   *
   * Throws ERR_INVALID_ARGUMENT for sizes that do not fit, ERR_OUT_OF_MEMORY, ERR_ABORTED, ERR_CLOSED.
   */
  async generate(requests: readonly InpaintingRequest[], options: SamplingOptions = {}): Promise<RasterImage[]> {
    if (this.#closed) throw codedError("ERR_CLOSED", "The pipeline is closed");
    throwIfAborted(options.signal);
    requests.forEach((request, index) => {
      this.#check(request, index);
    });
    const batches = this.#batches(requests);
    const { signal: _, onProgress, ...asked } = options;
    const sampling = { ...this.sampling, ...asked };
    const { steps, strength } = sampling;
    const stepsRun = Math.max(1, Math.min(Math.floor(steps * strength), steps));
    const results: RasterImage[] = [];
    const stop = (): void => this.#native.abort();
    options.signal?.addEventListener("abort", stop, { once: true });
    try {
      for (const [index, indices] of batches.entries()) {
        throwIfAborted(options.signal);
        const part = indices.map((i) => requests[i]!);
        const { width, height } = part[0]!.image;
        const output = await this.#native.generate(this.#nativeBatch(part), {
          ...sampling,
          seeds: BigUint64Array.from(part, ({ seed }) => BigInt.asUintN(64, BigInt(seed))),
          onProgress: (step) => onProgress?.(index * stepsRun + step, batches.length * stepsRun),
        });
        const size = width * height * 3;
        indices.forEach((i, k) => {
          results[i] = { data: (output.data as Uint8Array).subarray(k * size, (k + 1) * size), width, height };
        });
      }
      return results;
    } finally {
      options.signal?.removeEventListener("abort", stop);
    }
  }

  /**
   * Gives the adapters other weights, one for each in the order of `adapters`; 0 takes one away, and with all at 0 the
   * UNet has its original weights, bit for bit. Throws ERR_INVALID_ARGUMENT, ERR_CLOSED.
   */
  async setAdapterWeights(weights: readonly number[]): Promise<void> {
    if (this.#closed) throw codedError("ERR_CLOSED", "The pipeline is closed");
    weights.forEach((weight, index) => {
      checkWeight(weight, String(index));
    });
    await this.#native.setAdapterWeights(weights);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#native.close();
  }

  #check({ image, mask, draft }: InpaintingRequest, index: number): void {
    const { width, height } = image;
    const fits = width % this.sizeMultiple === 0 && height % this.sizeMultiple === 0 && width > 0 && height > 0;
    if (!fits || mask.length !== width * height || image.data.length !== width * height * 3) {
      throw codedError(
        "ERR_INVALID_ARGUMENT",
        `Request ${index}: the image is ${width}×${height} px with a mask of ${mask.length} values; sides must be multiples of ${this.sizeMultiple} and the mask one value a pixel`,
      );
    }
    if (!this.takesDrafts) return;
    if (draft?.width !== width || draft.height !== height || draft.data.length !== image.data.length) {
      const given = draft === undefined ? "none" : `one of ${draft.width}×${draft.height} px`;
      throw codedError(
        "ERR_INVALID_ARGUMENT",
        `Request ${index}: this UNet takes drafts as large as the image (${width}×${height} px), not ${given}`,
      );
    }
  }

  /** Indices of requests of equal size, at most batchSize together. */
  #batches(requests: readonly InpaintingRequest[]): number[][] {
    const groups = new Map<string, number[]>();
    requests.forEach(({ image }, index) => {
      const key = `${image.width}×${image.height}`;
      groups.set(key, [...(groups.get(key) ?? []), index]);
    });
    return [...groups.values()].flatMap((group) =>
      Array.from({ length: Math.ceil(group.length / this.#batchSize) }, (_, k) =>
        group.slice(k * this.#batchSize, (k + 1) * this.#batchSize),
      ),
    );
  }

  #nativeBatch(requests: readonly InpaintingRequest[]): NativeBatch {
    const { width, height } = requests[0]!.image;
    const glyphBytes = this.#glyph.width * this.#glyph.height * 3;
    const images = new Uint8Array(requests.length * width * height * 3);
    const masks = new Uint8Array(requests.length * width * height);
    const glyphs = new Uint8Array(requests.length * glyphBytes);
    const drafts = this.takesDrafts ? new Uint8Array(images.length) : undefined;
    requests.forEach(({ image, mask, draft, text }, k) => {
      images.set(image.data, k * width * height * 3);
      drafts?.set(draft!.data, k * width * height * 3);
      masks.set(mask, k * width * height);
      glyphs.set(renderGlyphImage(text, this.#glyph).data, k * glyphBytes);
    });
    return {
      ids: new BigUint64Array(requests.length),
      images,
      height,
      width,
      masks,
      ...(drafts === undefined ? {} : { drafts }),
      glyphs,
      glyphHeight: this.#glyph.height,
      glyphWidth: this.#glyph.width,
    };
  }
}

/** A UNet only understands the latents and features it was trained on. */
function checkTrainedWith(unet: ModelFolder, part: string, sha256: string | undefined, folder: ModelFolder): void {
  const actual = folder.metadata.sha256[weightsFile];
  if (sha256 === undefined || sha256 === actual) return;
  throw codedError("ERR_MODEL_HASH", `${unet.path} was trained with another ${part} than ${folder.path}`, {
    details: { unet: unet.path, part, expected: sha256, actual },
  });
}

function trainedSize(unet: ModelFolder): { height: number; width: number } | undefined {
  const training = unet.metadata["training"] as { height?: unknown; width?: unknown } | undefined;
  if (typeof training?.height === "number" && typeof training.width === "number")
    return { height: training.height, width: training.width };
  return undefined;
}
