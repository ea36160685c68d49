#include "optim/ema.h"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "engine/script_module.h"

namespace anonymizer {

Ema::Ema(std::vector<std::pair<std::string, at::Tensor>> parameters, double decay)
    : parameters_(std::move(parameters)), decay_(decay) {
  for (const auto& [name, parameter] : parameters_) shadow_.emplace_back(name, parameter.detach().clone());
}

void Ema::update(int64_t step, const at::Tensor& bad) {
  at::NoGradGuard no_grad;
  const double decay =
      step <= 0 ? 0.0 : std::min(decay_, (1.0 + static_cast<double>(step)) / (10.0 + static_cast<double>(step)));
  const at::Tensor weight = (1.0 - decay) * (1 - bad);
  for (size_t i = 0; i < shadow_.size(); ++i) {
    at::Tensor& shadow = shadow_[i].second;
    shadow.sub_(weight * (shadow - parameters_[i].second));
  }
}

void Ema::load_state(const std::vector<std::pair<std::string, at::Tensor>>& state, const std::string& what) {
  copy_by_name(shadow_, state, what);
}

EmaScope::EmaScope(const std::vector<std::pair<std::string, at::Tensor>>& parameters, const Ema* ema) {
  if (ema == nullptr) return;
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor& parameter = parameters[i].second;
    saved_.emplace_back(parameter, parameter.detach().clone());
    parameter.copy_(ema->shadow()[i].second);
  }
}

EmaScope::~EmaScope() {
  at::NoGradGuard no_grad;
  for (auto& [parameter, value] : saved_) parameter.copy_(value);
}

}  // namespace anonymizer
