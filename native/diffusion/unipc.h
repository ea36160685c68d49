// UniPC of order 2, B₂(h) = eʰ − 1, on predictions of x₀ (Zhao et al. 2023, algorithms 1 and 2): each new prediction
// first corrects the step that led to it. Order 1 in the first and the last step.
#pragma once

#include "diffusion/multistep_sampler.h"

namespace anonymizer {

class UniPc : public MultistepSampler {
 public:
  using MultistepSampler::MultistepSampler;
  at::Tensor step(const at::Tensor& model_output, size_t k, const at::Tensor& sample) override;

 private:
  // The sample of step k, corrected by what the model predicts there.
  at::Tensor correct(const at::Tensor& predicted, size_t k) const;

  at::Tensor last_sample_;         // x before the last prediction
  at::Tensor last_, before_last_;  // x₀ as predicted one and two steps before
  int last_order_ = 0;
};

}  // namespace anonymizer
