import type { MaskedFill } from "../addon/native-types.ts";
import type { Sampling } from "./sampling.ts";

/** What the diffusion engine has to know about how a UNet was trained; `inpainting` in its `metadata.json`. */
export interface InpaintingFacts {
  readonly predictionType: "epsilon" | "v_prediction";
  /** What stands under the mask of the masked image. */
  readonly maskedFill: MaskedFill;
  /** Factor on the VAE's latents. */
  readonly scalingFactor: number;
  readonly glyph: { readonly height: number; readonly width: number; readonly fit: "pad" | "squash" };
  /** "text_projection.safetensors", where encoder and UNet have different widths. */
  readonly textProjection?: string;
  /** SHA-256 of the weights it was trained with. */
  readonly vaeWeightsSha256: string;
  readonly glyphEncoderWeightsSha256: string;
  /** What its makers found best. */
  readonly sampling?: Partial<Sampling>;
}
