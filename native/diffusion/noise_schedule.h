// Stable Diffusion's forward process: 1000 steps, betas scaled-linear from 0.00085 to 0.012.
#pragma once

#include <ATen/core/Tensor.h>

namespace anonymizer {

enum class Prediction { kEpsilon, kVelocity };

// x₀ that the output at x_t stands for: (x_t − σ·ε)/α, or α·x_t − σ·v, with α = √ᾱ_t and σ = √(1−ᾱ_t); numbers or
// tensors.
template <class Level>
at::Tensor original_sample(Prediction kind, const at::Tensor& sample, const at::Tensor& output, const Level& alpha,
                           const Level& sigma) {
  return kind == Prediction::kEpsilon ? (sample - sigma * output) / alpha : alpha * sample - sigma * output;
}

class NoiseSchedule {
 public:
  static constexpr int64_t kTrainSteps = 1000;

  explicit NoiseSchedule(c10::Device device);

  // ᾱ_t = ∏(1 − β_i), β_i = (√.00085 + i/999·(√.012 − √.00085))²; float32 [1000].
  const at::Tensor& alphas_cumprod() const { return alphas_cumprod_; }
  // x_t = √ᾱ_t·x₀ + √(1−ᾱ_t)·ε   (Ho et al. 2020, eq. 4)
  at::Tensor add_noise(const at::Tensor& latents, const at::Tensor& noise, const at::Tensor& timesteps) const;
  // v_t = √ᾱ_t·ε − √(1−ᾱ_t)·x₀   (Salimans & Ho 2022, eq. 13)
  at::Tensor velocity(const at::Tensor& latents, const at::Tensor& noise, const at::Tensor& timesteps) const;
  // original_sample() with a timestep for each sample.
  at::Tensor original(const at::Tensor& noisy, const at::Tensor& prediction, const at::Tensor& timesteps,
                      Prediction kind) const;
  // ᾱ_t / (1−ᾱ_t), [B]
  at::Tensor snr(const at::Tensor& timesteps) const;

 private:
  at::Tensor at_timesteps(const at::Tensor& values, const at::Tensor& timesteps) const;

  at::Tensor alphas_cumprod_;
};

}  // namespace anonymizer
