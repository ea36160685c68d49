// Errors of repainted pixels, in float32: what an error of latents means for the picture.
// painted, truth: [B, 3, H, W] in [-1, 1]; mask: [B, 1, H, W], ≥ 0.5 = repainted. Scalars: the mean over the images of
// each one's mean over its repainted pixels; an image without any counts as 0.
#pragma once

#include <ATen/core/Tensor.h>

namespace anonymizer {

// Mean absolute error.
at::Tensor pixel_l1(const at::Tensor& painted, const at::Tensor& truth, const at::Tensor& mask);

// 1 − SSIM (Wang et al. 2004, eq. 13) of each channel, in uniform windows of 7 × 7 pixels that lie inside the image and
// have their middle in the mask; K₁ .01, K₂ .03, biased moments. Images are at least 7 × 7.
at::Tensor pixel_dssim(const at::Tensor& painted, const at::Tensor& truth, const at::Tensor& mask);

}  // namespace anonymizer
