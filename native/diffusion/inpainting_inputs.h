// The inpainting UNet's input: [noisy latents C, mask 1, masked-image latents C].
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace anonymizer {

// What stands in the masked image where the mask is 1.
enum class MaskedFill {
  kZero,      // "0": normalised to [-1, 1], then masked (SD2 inpainting): grey
  kMinusOne,  // "-1": masked, then normalised (DiffUTE): black
  kDraft,     // "draft": the text roughly drawn, which the UNet restyles instead of spelling it
};

MaskedFill parse_masked_fill(const std::string& name);

// image: [B, 3, H, W] in [-1, 1]; mask: [B, 1, H, W], ≥ 0.5 = repaint; draft: as image, for kDraft only.
at::Tensor mask_image(const at::Tensor& image, const at::Tensor& mask, MaskedFill fill, const at::Tensor& draft = {});

// Nearest (the top left pixel of each cell): [B, 1, H, W] → [B, 1, h, w], values 0 or 1.
at::Tensor mask_to_latents(const at::Tensor& mask, int64_t height, int64_t width);

// Joins the three along the channels. Shapes, dtypes and devices are checked first; ERR_MODEL_SHAPE names them all.
// unet_channels: what the UNet's conv_in takes.
at::Tensor inpainting_input(const at::Tensor& noisy, const at::Tensor& mask, const at::Tensor& masked_latents,
                            int64_t unet_channels);

}  // namespace anonymizer
