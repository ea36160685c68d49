#include "diffusion/noise_schedule.h"

#include <ATen/Functions.h>

#include <cmath>

namespace anonymizer {

NoiseSchedule::NoiseSchedule(c10::Device device) {
  const auto options = at::TensorOptions().dtype(at::kFloat);
  const at::Tensor betas = at::linspace(std::sqrt(0.00085), std::sqrt(0.012), kTrainSteps, options).square();
  alphas_cumprod_ = (1.0 - betas).cumprod(0).to(device);
}

at::Tensor NoiseSchedule::at_timesteps(const at::Tensor& values, const at::Tensor& timesteps) const {
  return values.index_select(0, timesteps).reshape({-1, 1, 1, 1});
}

at::Tensor NoiseSchedule::add_noise(const at::Tensor& latents, const at::Tensor& noise,
                                    const at::Tensor& timesteps) const {
  return at_timesteps(alphas_cumprod_.sqrt(), timesteps) * latents +
         at_timesteps((1 - alphas_cumprod_).sqrt(), timesteps) * noise;
}

at::Tensor NoiseSchedule::velocity(const at::Tensor& latents, const at::Tensor& noise,
                                   const at::Tensor& timesteps) const {
  return at_timesteps(alphas_cumprod_.sqrt(), timesteps) * noise -
         at_timesteps((1 - alphas_cumprod_).sqrt(), timesteps) * latents;
}

at::Tensor NoiseSchedule::original(const at::Tensor& noisy, const at::Tensor& prediction, const at::Tensor& timesteps,
                                   Prediction kind) const {
  const at::Tensor signal = at_timesteps(alphas_cumprod_.sqrt(), timesteps);
  const at::Tensor spread = at_timesteps((1 - alphas_cumprod_).sqrt(), timesteps);
  return original_sample(kind, noisy, prediction, signal, spread);
}

at::Tensor NoiseSchedule::snr(const at::Tensor& timesteps) const {
  const at::Tensor alphas = alphas_cumprod_.index_select(0, timesteps);
  return alphas / (1 - alphas);
}

}  // namespace anonymizer
