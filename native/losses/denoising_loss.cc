#include "losses/denoising_loss.h"

#include <ATen/Functions.h>

namespace anonymizer {

at::Tensor denoising_loss(const at::Tensor& prediction, const at::Tensor& latents, const at::Tensor& noise,
                          const at::Tensor& timesteps, const at::Tensor& mask, const NoiseSchedule& schedule,
                          const DenoisingLossOptions& options) {
  const at::Tensor target =
      options.prediction == Prediction::kEpsilon ? noise : schedule.velocity(latents, noise, timesteps);
  at::Tensor error = (prediction.to(at::kFloat) - target).square();
  at::Tensor per_sample;
  if (options.masked_weight != 1.0) {
    const at::Tensor weight = 1.0 + (options.masked_weight - 1.0) * mask;
    per_sample = (error * weight).sum({1, 2, 3}) / weight.expand_as(error).sum({1, 2, 3});
  } else {
    per_sample = error.mean({1, 2, 3});
  }
  if (options.snr_gamma > 0) {
    const at::Tensor snr = schedule.snr(timesteps);
    const at::Tensor divisor = options.prediction == Prediction::kEpsilon ? snr : snr + 1;
    per_sample = per_sample * (snr.clamp_max(options.snr_gamma) / divisor);
  }
  return per_sample.mean();
}

}  // namespace anonymizer
