// What a step works on.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "training/cached_inputs.h"

namespace anonymizer {

// As it comes from JavaScript, on the CPU.
struct Batch {
  std::vector<uint64_t> ids;  // one stable id per sample
  at::Tensor images;          // uint8 [B, H, W, 3], or float32 of the same shape in [-1, 1]
  at::Tensor masks;           // uint8 [B, H, W], 1 = repaint; undefined for the VAE
  at::Tensor drafts;          // as images: the text roughly drawn; only where masked_fill is "draft"
  at::Tensor glyphs;          // uint8 [B, Hg, Wg, 3]; undefined for the VAE
  // Values used in place of drawn ones, to compare with another implementation; usually undefined.
  at::Tensor posterior_noise;  // float32 [B, C, h, w]
  at::Tensor noise;            // float32 [B, C, h, w]
  at::Tensor timesteps;        // int64 [B]
  at::Tensor offset_noise;     // float32 [B, C, 1, 1]
  at::Tensor perturbation;     // float32 [B, C, h, w]
  // In place of images and masks, and of glyphs where their encoder is frozen.
  CachedInputs cached;
  // Per sample, what seeds its augmentation in place of the step: the same number, the same augmented image. Usually
  // empty.
  std::vector<uint64_t> variants;
  int64_t height = 0, width = 0;  // pixels
  int64_t size() const { return static_cast<int64_t>(ids.size()); }
};

struct AugmentOptions {
  double rotation = 0;    // degrees
  double brightness = 0;  // factor 1 ± brightness
  double contrast = 0;    // factor 1 ± contrast
};

struct StepContext {
  uint64_t seed = 0;
  uint64_t step = 0;
  uint64_t rank = 0;
};

// On the device, normalised.
struct PreparedBatch {
  std::vector<uint64_t> ids;
  at::Tensor images;  // float32 [B, 3, H, W] in [-1, 1]
  at::Tensor masks;   // float32 [B, 1, H, W], 0 or 1
  at::Tensor drafts;  // as images
  at::Tensor glyphs;  // float32 [B, 3, Hg, Wg] in [-1, 1]
  at::Tensor posterior_noise, noise, timesteps, offset_noise, perturbation;
  CachedInputs cached;
  std::vector<uint64_t> variants;
  int64_t height = 0, width = 0;
  c10::Device device = c10::Device(c10::kCPU);
  at::MemoryFormat format = at::MemoryFormat::Contiguous;  // of images
};

// uint8 [B, H, W, 3] → float32 [B, 3, H, W] in [-1, 1]
at::Tensor normalise_images(const at::Tensor& images, c10::Device device,
                            at::MemoryFormat format = at::MemoryFormat::Contiguous);
// float32 [B, 3, H, W] in [-1, 1] → uint8 [B, H, W, 3] on the CPU
at::Tensor denormalise_images(const at::Tensor& images);

PreparedBatch prepare(const Batch& batch, c10::Device device, at::MemoryFormat format = at::MemoryFormat::Contiguous);

// Rotates images and drafts (bilinear, border repeated) and masks (nearest) together, then changes brightness and
// contrast with torchvision's ColorJitter formulas on [0, 1]; amounts come from each sample's seed.
void augment(PreparedBatch& batch, const AugmentOptions& options, const StepContext& context);

}  // namespace anonymizer
