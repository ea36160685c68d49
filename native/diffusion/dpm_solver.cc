#include "diffusion/dpm_solver.h"

#include <ATen/Functions.h>

#include <cmath>

namespace anonymizer {

at::Tensor DpmSolver::step(const at::Tensor& model_output, size_t k, const at::Tensor& sample) {
  const at::Tensor predicted = original(model_output, k, sample);
  const Level& from = levels_[k];
  const Level& to = levels_[k + 1];
  const double h = to.lambda - from.lambda;
  at::Tensor direction = predicted;
  if (k > 0 && k + 1 < timesteps_.size()) {
    const double ratio = (from.lambda - levels_[k - 1].lambda) / h;
    direction = predicted + (0.5 / ratio) * (predicted - previous_);
  }
  previous_ = predicted;
  return (to.sigma / from.sigma) * sample - (to.alpha * std::expm1(-h)) * direction;
}

}  // namespace anonymizer
