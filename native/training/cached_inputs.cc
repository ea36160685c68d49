#include "training/cached_inputs.h"

#include <sstream>

#include "engine/device.h"
#include "training/trainer.h"
#include "training/unet_objective.h"

namespace anonymizer {

void check_cached(const CachedInputs& cached, int64_t size) {
  const auto refuse = [](const char* name, const at::Tensor& tensor, const std::string& needed) {
    std::ostringstream message;
    message << "cached." << name << " is " << tensor.scalar_type() << " " << tensor.sizes() << "; it must be "
            << needed;
    throw CodedError("ERR_INVALID_ARGUMENT", message.str());
  };
  const at::Tensor& mean = cached.mean;
  if (mean.dim() != 4 || mean.size(0) != size || mean.scalar_type() != at::kFloat)
    refuse("mean", mean, "float32 [" + std::to_string(size) + ", C, h, w]");
  for (const auto& [name, tensor] : {std::pair{"logvar", cached.logvar}, {"masked", cached.masked}}) {
    if (tensor.sizes() != mean.sizes() || tensor.scalar_type() != at::kFloat) refuse(name, tensor, "as cached.mean");
  }
  const std::vector<int64_t> mask_shape{size, 1, mean.size(2), mean.size(3)};
  if (cached.mask.sizes() != at::IntArrayRef(mask_shape) || cached.mask.scalar_type() != at::kByte)
    refuse("mask", cached.mask, "uint8 [B, 1, h, w]");
  if (cached.glyphs.defined() &&
      (cached.glyphs.dim() != 3 || cached.glyphs.size(0) != size || !cached.glyphs.is_floating_point()))
    refuse("glyphs", cached.glyphs, "of a floating type, [B, S, D]");
}

CachedInputs UnetObjective::encode(const PreparedBatch& batch) {
  CachedInputs result;
  if (batch.images.defined()) {
    if (!batch.masks.defined()) throw CodedError("ERR_INVALID_ARGUMENT", "Latents are made of images with masks");
    const Posterior posterior = model_.encode(batch.images);
    result.mean = posterior.mean.contiguous();
    result.logvar = posterior.logvar.contiguous();
    const at::Tensor masked = mask_image(batch.images, batch.masks, options_.model.masked_fill, batch.drafts);
    result.masked = model_.encode(masked).mean.contiguous();
    result.mask = mask_to_latents(batch.masks, result.mean.size(2), result.mean.size(3)).to(at::kByte);
  }
  if (batch.glyphs.defined()) result.glyphs = model_.glyph_states(batch.glyphs).contiguous();
  return result;
}

at::Tensor UnetObjective::blank_latents(const PreparedBatch& batch) {
  at::Tensor& known = blank_latents_[{batch.height, batch.width}];
  if (!known.defined()) {
    const auto options = at::TensorOptions().dtype(at::kFloat).device(device_);
    // In the format of images: the layouts' group norms differ by a thousandth where a picture is all of one colour.
    const at::Tensor grey = at::zeros({1, 3, batch.height, batch.width}, options).contiguous(batch.format);
    known = model_.masked_latents(grey, at::ones({1, 1, batch.height, batch.width}, options), grey);
  }
  return known;
}

CachedInputs Trainer::encode(const Batch& batch) {
  torch::NoGradGuard no_grad;
  PreparedBatch prepared = prepare(batch, options_.device, options_.format());
  augment(prepared, options_.augment, context(0));
  abort_.check();
  const Autocast autocast(options_.device, options_.precision);
  return objective_->encode(prepared);
}

}  // namespace anonymizer
