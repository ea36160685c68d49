#include "diffusion/ddim.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>

namespace anonymizer {

Ddim::Ddim(const NoiseSchedule& schedule, const StepPlan& plan, Prediction prediction) : prediction_(prediction) {
  const int64_t run = plan.checked(NoiseSchedule::kTrainSteps);
  const at::Tensor host = schedule.alphas_cumprod().to(at::kCPU).contiguous();
  alphas_cumprod_.assign(host.const_data_ptr<float>(), host.const_data_ptr<float>() + host.numel());
  stride_ = NoiseSchedule::kTrainSteps / plan.steps;
  if (plan.spacing == Spacing::kTrailing) {
    timesteps_ = plan.trailing(run);
    return;
  }
  for (int64_t k = run - 1; k >= 0; --k) {
    timesteps_.push_back(std::min(k * stride_ + 1, NoiseSchedule::kTrainSteps - 1));
  }
}

at::Tensor Ddim::step(const at::Tensor& model_output, size_t k, const at::Tensor& sample) {
  const int64_t timestep = timesteps_[k];
  const int64_t previous = timestep - stride_;
  const double alpha = alphas_cumprod_[static_cast<size_t>(timestep)];
  const double alpha_previous = alphas_cumprod_[static_cast<size_t>(std::max<int64_t>(previous, 0))];
  const double root = std::sqrt(alpha);
  const double root_rest = std::sqrt(1 - alpha);
  const at::Tensor original = original_sample(prediction_, sample, model_output, root, root_rest);
  const at::Tensor noise =
      prediction_ == Prediction::kEpsilon ? model_output : root * model_output + root_rest * sample;
  return std::sqrt(alpha_previous) * original + std::sqrt(1 - alpha_previous) * noise;
}

}  // namespace anonymizer
