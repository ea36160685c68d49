// The diffusion model's loss: mean squared error of the predicted noise or velocity, in float32.
#pragma once

#include <ATen/core/Tensor.h>

#include "diffusion/noise_schedule.h"

namespace anonymizer {

struct DenoisingLossOptions {
  Prediction prediction = Prediction::kEpsilon;
  // min-SNR weighting (Hang et al. 2023): min(snr, γ)/snr for ε, min(snr, γ)/(snr + 1) for v. 0 = off.
  double snr_gamma = 0;
  // Weight of the masked latents relative to the others; 1 = plain mean.
  double masked_weight = 1;
};

// prediction, latents, noise: [B, C, h, w]; timesteps: [B] int64; mask: [B, 1, h, w]. Scalar.
at::Tensor denoising_loss(const at::Tensor& prediction, const at::Tensor& latents, const at::Tensor& noise,
                          const at::Tensor& timesteps, const at::Tensor& mask, const NoiseSchedule& schedule,
                          const DenoisingLossOptions& options);

}  // namespace anonymizer
