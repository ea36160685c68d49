// DPM-Solver++ (2M), midpoint form, without noise (Lu et al. 2022, "DPM-Solver++", algorithm 2). The first and the last
// step are of first order.
#pragma once

#include "diffusion/multistep_sampler.h"

namespace anonymizer {

class DpmSolver : public MultistepSampler {
 public:
  using MultistepSampler::MultistepSampler;
  at::Tensor step(const at::Tensor& model_output, size_t k, const at::Tensor& sample) override;

 private:
  at::Tensor previous_;  // x₀ as predicted one step before
};

}  // namespace anonymizer
