#include "optim/adamw.h"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include "engine/error.h"
#include "engine/script_module.h"

namespace anonymizer {

AdamW::AdamW(std::vector<std::pair<std::string, at::Tensor>> parameters, const AdamWOptions& options)
    : named_(std::move(parameters)), options_(options) {
  if (named_.empty()) throw CodedError("ERR_INVALID_ARGUMENT", "There is no trainable parameter");
  int64_t total = 0;
  for (const auto& [name, parameter] : named_) total += parameter.numel();
  const auto like = named_.front().second.options().requires_grad(false);
  flat_gradient_ = at::zeros({total}, like);
  const at::Tensor exp_avg = at::zeros({total}, like);
  const at::Tensor exp_avg_sq = at::zeros({total}, like);
  step_ = at::zeros({}, like);
  int64_t offset = 0;
  for (const auto& [name, parameter] : named_) {
    parameters_.push_back(parameter);
    auto view = [&](const at::Tensor& flat) {
      return flat.narrow(0, offset, parameter.numel()).view(parameter.sizes());
    };
    gradients_.push_back(view(flat_gradient_));
    exp_avgs_.push_back(view(exp_avg));
    exp_avg_sqs_.push_back(view(exp_avg_sq));
    offset += parameter.numel();
  }
  // One step counter shared by all: the kernel only reads it.
  steps_.assign(named_.size(), step_);
  zero_grad();
}

void AdamW::zero_grad() {
  flat_gradient_.zero_();
  for (size_t i = 0; i < parameters_.size(); ++i) parameters_[i].mutable_grad() = gradients_[i];
}

at::Tensor AdamW::step(double learning_rate) {
  at::NoGradGuard no_grad;
  // A gradient that autograd replaced instead of accumulating in place is copied back.
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& gradient = parameters_[i].grad();
    if (gradient.defined() && !gradient.is_same(gradients_[i]) && gradient.data_ptr() != gradients_[i].data_ptr())
      gradients_[i].copy_(gradient);
  }
  const at::Tensor norm = flat_gradient_.norm();
  const at::Tensor bad = norm.isfinite().logical_not().to(at::kFloat);
  if (options_.max_grad_norm > 0) flat_gradient_.mul_((options_.max_grad_norm / (norm + 1e-6)).clamp_max(1.0));
  step_.add_(1 - bad);
  at::_fused_adamw_(parameters_, gradients_, exp_avgs_, exp_avg_sqs_, {}, steps_, learning_rate, options_.beta1,
                    options_.beta2, options_.weight_decay, options_.eps, /*amsgrad=*/false, /*maximize=*/false,
                    /*grad_scale=*/{}, /*found_inf=*/bad);
  return norm;
}

std::vector<std::pair<std::string, at::Tensor>> AdamW::state() const {
  std::vector<std::pair<std::string, at::Tensor>> result{{"step", step_}};
  for (size_t i = 0; i < named_.size(); ++i) {
    result.emplace_back("exp_avg." + named_[i].first, exp_avgs_[i]);
    result.emplace_back("exp_avg_sq." + named_[i].first, exp_avg_sqs_[i]);
  }
  return result;
}

void AdamW::load_state(const std::vector<std::pair<std::string, at::Tensor>>& state, const std::string& what) {
  copy_by_name(this->state(), state, what);
}

}  // namespace anonymizer
