// DDIM sampling without noise (Song, Meng, Ermon 2021, eq. 12 with σ = 0); clip_sample false, set_alpha_to_one false.
#pragma once

#include "diffusion/sampler.h"

namespace anonymizer {

class Ddim : public Sampler {
 public:
  // 50 steps, leading: 981, 961, …, 1.
  Ddim(const NoiseSchedule& schedule, const StepPlan& plan, Prediction prediction);
  at::Tensor step(const at::Tensor& model_output, size_t k, const at::Tensor& sample) override;

 private:
  std::vector<float> alphas_cumprod_;
  int64_t stride_;
  Prediction prediction_;
};

}  // namespace anonymizer
