// What the multistep samplers share: noise levels of the steps and the model's output as a prediction of x₀.
#pragma once

#include "diffusion/sampler.h"

namespace anonymizer {

class MultistepSampler : public Sampler {
 public:
  // 50 steps, leading: 951, 932, …, 20. The level after the last step is free of noise (σ = 0).
  MultistepSampler(const NoiseSchedule& schedule, const StepPlan& plan, Prediction prediction);

 protected:
  // √ᾱ, √(1−ᾱ) and λ = log(α/σ), half the logarithm of the signal-to-noise ratio.
  struct Level {
    double alpha, sigma, lambda;
  };

  // original_sample() at the level of step k.
  at::Tensor original(const at::Tensor& model_output, size_t k, const at::Tensor& sample) const;

  // One for each timestep, and the clean one at the end.
  std::vector<Level> levels_;

 private:
  Prediction prediction_;
};

}  // namespace anonymizer
