// DDIM sampling without noise (Song, Meng, Ermon 2021, eq. 12 with σ = 0); timesteps "leading", offset 1, as SD2's
// scheduler configuration has it; clip_sample false, set_alpha_to_one false.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "diffusion/noise_schedule.h"

namespace anonymizer {

class Ddim {
 public:
  // steps: 1 … 1000. strength in (0, 1]: the share of the steps that is run.
  Ddim(const NoiseSchedule& schedule, int64_t steps, double strength, Prediction prediction);
  // From the noisiest; 50 steps: 981, 961, …, 1.
  const std::vector<int64_t>& timesteps() const { return timesteps_; }
  // x_t → x_{t−1}; model_output is ε or v. float32 [B, C, h, w].
  at::Tensor step(const at::Tensor& model_output, int64_t timestep, const at::Tensor& sample) const;

 private:
  std::vector<float> alphas_cumprod_;
  std::vector<int64_t> timesteps_;
  int64_t stride_;
  Prediction prediction_;
};

}  // namespace anonymizer
