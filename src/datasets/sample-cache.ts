/** What the loader knows of a cache: samples go in as pixels once and come out as what frozen encoders made of them. */
import type { HostTensor } from "../addon/native-types.ts";
import type { Crop, CropSize } from "./crops.ts";
import type { Region } from "./manifest-types.ts";

/** Everything that decides what a sample's crop looks like, apart from what is the same for a whole run. */
export interface SampleIdentity {
  readonly id: bigint;
  readonly region: Region;
  /** SHA-256 of the page's image file. */
  readonly content: string;
  readonly size: CropSize;
  readonly variant: number;
}

/** Tensors of one sample: each has a first axis of length 1. */
export interface CachedSample {
  readonly mean: HostTensor;
  readonly logvar: HostTensor;
  readonly masked: HostTensor;
  readonly mask: HostTensor;
  /** Absent where the glyph encoder is trained. */
  readonly glyphs?: HostTensor;
  readonly text: string;
}

export interface SampleCache {
  /** The sample's tensors; made of `crop()` where the cache does not have them. Rejects with what `crop` rejects with. */
  get(sample: SampleIdentity, crop: () => Promise<Crop>): Promise<CachedSample>;
}
