#include "diffusion/inpainting_inputs.h"

#include <ATen/Functions.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <sstream>

#include "engine/error.h"

namespace anonymizer {

MaskedFill parse_masked_fill(const std::string& name) {
  if (name == "0") return MaskedFill::kZero;
  if (name == "-1") return MaskedFill::kMinusOne;
  if (name == "draft") return MaskedFill::kDraft;
  throw CodedError("ERR_INVALID_ARGUMENT", "masked_fill must be '0', '-1' or 'draft', not '" + name + "'");
}

at::Tensor mask_image(const at::Tensor& image, const at::Tensor& mask, MaskedFill fill, const at::Tensor& draft) {
  if (fill == MaskedFill::kDraft) {
    if (!draft.defined())
      throw CodedError("ERR_INVALID_ARGUMENT", "This UNet takes drafts: the batch must hold one for each image");
    return at::where(mask < 0.5, image, draft);
  }
  const at::Tensor keep = (mask < 0.5).to(image.scalar_type());
  if (fill == MaskedFill::kZero) return image * keep;
  return (image + 1) * keep - 1;
}

at::Tensor mask_to_latents(const at::Tensor& mask, int64_t height, int64_t width) {
  return at::upsample_nearest2d((mask >= 0.5).to(at::kFloat), {height, width});
}

at::Tensor inpainting_input(const at::Tensor& noisy, const at::Tensor& mask, const at::Tensor& masked_latents,
                            int64_t unet_channels) {
  auto describe = [](const char* name, const at::Tensor& t) {
    std::ostringstream out;
    out << name << " " << t.sizes() << " " << t.scalar_type() << " on " << t.device();
    return out.str();
  };
  const bool dims = noisy.dim() == 4 && mask.dim() == 4 && masked_latents.dim() == 4;
  const bool fits = dims && mask.size(1) == 1 && noisy.sizes() == masked_latents.sizes() &&
                    mask.size(0) == noisy.size(0) && mask.size(2) == noisy.size(2) && mask.size(3) == noisy.size(3) &&
                    noisy.size(1) + 1 + masked_latents.size(1) == unet_channels &&
                    noisy.scalar_type() == mask.scalar_type() && noisy.scalar_type() == masked_latents.scalar_type() &&
                    noisy.device() == mask.device() && noisy.device() == masked_latents.device();
  if (!fits) {
    throw CodedError("ERR_MODEL_SHAPE", "The UNet's input can't be joined: " + describe("noisy", noisy) + ", " +
                                            describe("mask", mask) + ", " + describe("masked image", masked_latents) +
                                            "; the UNet takes " + std::to_string(unet_channels) + " channels");
  }
  return at::cat({noisy, mask, masked_latents}, 1);
}

}  // namespace anonymizer
