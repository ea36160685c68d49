#include "training/batch.h"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <numbers>

#include "engine/error.h"
#include "engine/random.h"

namespace anonymizer {

at::Tensor normalise_images(const at::Tensor& images, c10::Device device, at::MemoryFormat format) {
  const at::Tensor moved = images.to(device).permute({0, 3, 1, 2});
  if (moved.scalar_type() == at::kByte) return moved.to(at::kFloat).contiguous(format).div_(127.5).sub_(1.0);
  return moved.to(at::kFloat).contiguous(format);
}

at::Tensor denormalise_images(const at::Tensor& images) {
  return images.to(at::kFloat)
      .add(1.0)
      .mul(127.5)
      .round()
      .clamp(0, 255)
      .to(at::kByte)
      .permute({0, 2, 3, 1})
      .contiguous()
      .to(at::kCPU);
}

PreparedBatch prepare(const Batch& batch, c10::Device device, at::MemoryFormat format) {
  at::NoGradGuard no_grad;
  PreparedBatch result;
  result.ids = batch.ids;
  result.variants = batch.variants;
  result.height = batch.height;
  result.width = batch.width;
  result.device = device;
  result.format = format;
  if (batch.images.defined()) result.images = normalise_images(batch.images, device, format);
  if (batch.images.defined() && batch.images.is_floating_point()) {
    const at::Tensor finite = result.images.isfinite().flatten(1).all(1).to(at::kCPU);
    for (int64_t i = 0; i < finite.size(0); ++i) {
      if (!finite[i].item<bool>()) {
        throw CodedError("ERR_TRAINING_NAN", "Sample " + std::to_string(i) + " of the batch (id " +
                                                 std::to_string(batch.ids[static_cast<size_t>(i)]) +
                                                 ") holds a value that is not finite");
      }
    }
  }
  if (batch.drafts.defined()) result.drafts = normalise_images(batch.drafts, device, format);
  if (batch.masks.defined()) result.masks = batch.masks.to(device).unsqueeze(1).ge(1).to(at::kFloat);
  if (batch.glyphs.defined()) result.glyphs = normalise_images(batch.glyphs, device, format);
  auto move = [&](const at::Tensor& t) { return t.defined() ? t.to(device) : t; };
  result.posterior_noise = move(batch.posterior_noise);
  result.noise = move(batch.noise);
  result.timesteps = move(batch.timesteps);
  result.offset_noise = move(batch.offset_noise);
  result.perturbation = move(batch.perturbation);
  result.cached = {move(batch.cached.mean), move(batch.cached.logvar), move(batch.cached.masked),
                   move(batch.cached.mask), move(batch.cached.glyphs)};
  return result;
}

void augment(PreparedBatch& batch, const AugmentOptions& options, const StepContext& context) {
  if (!batch.images.defined()) return;  // what is cached was augmented before it was encoded
  at::NoGradGuard no_grad;
  const int64_t size = batch.images.size(0);
  const auto device = batch.images.device();
  const auto host = at::TensorOptions().dtype(at::kFloat);
  auto seeded = [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    if (!batch.variants.empty()) return SampleSeed{context.seed, batch.variants[at], 0, batch.ids[at]};
    return SampleSeed{context.seed, context.step, context.rank, batch.ids[at]};
  };

  if (options.rotation > 0) {
    const double height = static_cast<double>(batch.images.size(2));
    const double width = static_cast<double>(batch.images.size(3));
    at::Tensor theta = at::zeros({size, 2, 3}, host);
    auto values = theta.accessor<float, 3>();
    for (int64_t i = 0; i < size; ++i) {
      const double angle = (2 * seeded(i).uniform(Purpose::kRotation) - 1) * options.rotation * std::numbers::pi / 180;
      // grid_sample's coordinates run from -1 to 1 on both axes, so an oblong image needs its aspect in the matrix.
      values[i][0][0] = static_cast<float>(std::cos(angle));
      values[i][0][1] = static_cast<float>(-std::sin(angle) * height / width);
      values[i][1][0] = static_cast<float>(std::sin(angle) * width / height);
      values[i][1][1] = static_cast<float>(std::cos(angle));
    }
    const at::Tensor grid = at::affine_grid_generator(theta.to(device), batch.images.sizes(), /*align_corners=*/false);
    auto rotate = [&](const at::Tensor& t) {
      return at::grid_sampler(t, grid, /*bilinear*/ 0, /*border*/ 1, /*align_corners=*/false).contiguous(batch.format);
    };
    batch.images = rotate(batch.images);
    if (batch.drafts.defined()) batch.drafts = rotate(batch.drafts);
    if (batch.masks.defined())
      batch.masks = at::grid_sampler(batch.masks, grid, /*nearest*/ 1, /*zeros*/ 0, /*align_corners=*/false);
  }
  if (options.brightness > 0 || options.contrast > 0) {
    at::Tensor brightness = at::empty({size, 1, 1, 1}, host);
    at::Tensor contrast = at::empty({size, 1, 1, 1}, host);
    for (int64_t i = 0; i < size; ++i) {
      brightness.data_ptr<float>()[i] =
          static_cast<float>(1 + (2 * seeded(i).uniform(Purpose::kBrightness) - 1) * options.brightness);
      contrast.data_ptr<float>()[i] =
          static_cast<float>(1 + (2 * seeded(i).uniform(Purpose::kContrast) - 1) * options.contrast);
    }
    brightness = brightness.to(device);
    contrast = contrast.to(device);
    const at::Tensor luma = at::tensor({0.2989, 0.587, 0.114}, host).reshape({1, 3, 1, 1}).to(device);
    auto brighten = [&](const at::Tensor& t) { return ((t + 1) / 2 * brightness).clamp(0, 1); };
    const at::Tensor unit = brighten(batch.images);
    const at::Tensor grey_mean = (unit * luma).sum(1, true).mean({2, 3}, true);
    auto contrasted = [&](const at::Tensor& t) {
      return (contrast * t + (1 - contrast) * grey_mean).clamp(0, 1) * 2 - 1;
    };
    batch.images = contrasted(unit);
    // By the image's mean, so that a draft goes on being the image outside the mask.
    if (batch.drafts.defined()) batch.drafts = contrasted(brighten(batch.drafts));
  }
}

}  // namespace anonymizer
