#include "diffusion/multistep_sampler.h"

#include <ATen/Functions.h>

#include <cmath>
#include <limits>

namespace anonymizer {

MultistepSampler::MultistepSampler(const NoiseSchedule& schedule, const StepPlan& plan, Prediction prediction)
    : prediction_(prediction) {
  // With more, the first timestep would lie beyond the schedule.
  const int64_t run = plan.checked(NoiseSchedule::kTrainSteps - 2);
  const at::Tensor host = schedule.alphas_cumprod().to(at::kCPU).contiguous();
  const float* alphas_cumprod = host.const_data_ptr<float>();
  if (plan.spacing == Spacing::kTrailing) {
    timesteps_ = plan.trailing(run);
  } else {
    const int64_t stride = NoiseSchedule::kTrainSteps / (plan.steps + 1);
    for (int64_t k = run; k >= 1; --k) timesteps_.push_back(k * stride + 1);
  }
  for (const int64_t timestep : timesteps_) {
    const double kept = alphas_cumprod[timestep];
    levels_.push_back({std::sqrt(kept), std::sqrt(1 - kept), 0.5 * std::log(kept / (1 - kept))});
  }
  levels_.push_back({1, 0, std::numeric_limits<double>::infinity()});
}

at::Tensor MultistepSampler::original(const at::Tensor& model_output, size_t k, const at::Tensor& sample) const {
  const Level& at_k = levels_[k];
  return original_sample(prediction_, sample, model_output, at_k.alpha, at_k.sigma);
}

}  // namespace anonymizer
