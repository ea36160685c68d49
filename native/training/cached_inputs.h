// What frozen networks made of a batch: kept by the caller, given back in place of pixels.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace anonymizer {

struct CachedInputs {
  // Posterior of the crops' latents, not a sample of it: float32 [B, C, h, w], unscaled.
  at::Tensor mean, logvar;
  // Mean of the masked crops' latents, float32 [B, C, h, w], unscaled. Whole-image masks need none of their own: what
  // is left of every image is the same.
  at::Tensor masked;
  // uint8 [B, 1, h, w], 1 = repaint
  at::Tensor mask;
  // Last hidden state of the glyph encoder, [B, S, D] in the type it came in; undefined where the encoder is trained.
  at::Tensor glyphs;

  bool defined() const { return mean.defined(); }
};

// Shapes that belong together; ERR_INVALID_ARGUMENT names both otherwise. size: samples of the batch.
void check_cached(const CachedInputs& cached, int64_t size);

}  // namespace anonymizer
