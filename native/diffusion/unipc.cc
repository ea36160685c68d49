#include "diffusion/unipc.h"

#include <ATen/Functions.h>

#include <cmath>

namespace anonymizer {

at::Tensor UniPc::step(const at::Tensor& model_output, size_t k, const at::Tensor& sample) {
  const at::Tensor predicted = original(model_output, k, sample);
  const at::Tensor corrected = k > 0 ? correct(predicted, k) : sample;
  const Level& from = levels_[k];
  const Level& to = levels_[k + 1];
  const double h = to.lambda - from.lambda;
  const double phi = std::expm1(-h);
  const bool second = k > 0 && k + 1 < timesteps_.size();
  at::Tensor next = (to.sigma / from.sigma) * corrected - (to.alpha * phi) * predicted;
  if (second) {
    const double ratio = (levels_[k - 1].lambda - from.lambda) / h;
    next = next - (0.5 * to.alpha * phi / ratio) * (last_ - predicted);
  }
  before_last_ = last_;
  last_ = predicted;
  last_sample_ = corrected;
  last_order_ = second ? 2 : 1;
  return next;
}

at::Tensor UniPc::correct(const at::Tensor& predicted, size_t k) const {
  const Level& from = levels_[k - 1];
  const Level& to = levels_[k];
  const double h = to.lambda - from.lambda;
  const double phi = std::expm1(-h);
  const at::Tensor base = (to.sigma / from.sigma) * last_sample_ - (to.alpha * phi) * last_;
  const at::Tensor change = predicted - last_;
  if (last_order_ == 1) return base - (0.5 * to.alpha * phi) * change;
  // Weights of the differences: [1 1; r 1]·ρ = b, b₁ = g₁/B, b₂ = 2·g₂/B with g₁ = φ/(−h) − 1, g₂ = g₁/(−h) − ½.
  const double ratio = (levels_[k - 2].lambda - from.lambda) / h;
  const double g1 = phi / -h - 1;
  const double g2 = g1 / -h - 0.5;
  const double b1 = g1 / phi;
  const double b2 = 2 * g2 / phi;
  const double older = (b1 - b2) / (1 - ratio);
  return base - (to.alpha * phi) * ((older / ratio) * (before_last_ - last_) + (b1 - older) * change);
}

}  // namespace anonymizer
