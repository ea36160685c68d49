#include "optim/adamw.h"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include "engine/error.h"
#include "engine/script_module.h"

namespace anonymizer {

AdamW::AdamW(std::vector<std::pair<std::string, at::Tensor>> parameters, const AdamWOptions& options)
    : AdamW(std::move(parameters), options, kAlignment) {
  auto in_8bit = [&](const at::Tensor& parameter) {
    return options_.state_bits == 8 && parameter.numel() >= kMin8bitSize;
  };
  int64_t full = 0;
  for (const auto& [name, parameter] : named_) {
    if (!in_8bit(parameter)) full += parameter.numel();
  }
  const at::Tensor exp_avg = at::zeros({full}, flat_gradient_.options());
  const at::Tensor exp_avg_sq = at::zeros({full}, flat_gradient_.options());
  int64_t offset = 0;
  for (size_t i = 0; i < named_.size(); ++i) {
    const auto& [name, parameter] = named_[i];
    if (in_8bit(parameter)) {
      small_.push_back({parameter, gradients_[i], name, Blockwise8bit(parameter.sizes(), true, parameter.device()),
                        Blockwise8bit(parameter.sizes(), false, parameter.device())});
      continue;
    }
    full_names_.push_back(name);
    full_parameters_.push_back(parameter);
    full_gradients_.push_back(gradients_[i]);
    exp_avgs_.push_back(exp_avg.as_strided(parameter.sizes(), parameter.strides(), offset));
    exp_avg_sqs_.push_back(exp_avg_sq.as_strided(parameter.sizes(), parameter.strides(), offset));
    offset += parameter.numel();
  }
}

AdamW::AdamW(std::vector<std::pair<std::string, at::Tensor>> parameters, const AdamWOptions& options, int64_t multiple)
    : named_(std::move(parameters)), options_(options) {
  if (named_.empty()) throw CodedError("ERR_INVALID_ARGUMENT", "There is no trainable parameter");
  if (options_.state_bits != 8 && options_.state_bits != 32) {
    throw CodedError("ERR_INVALID_ARGUMENT",
                     "Optimizer states have 8 or 32 bits, not " + std::to_string(options_.state_bits));
  }
  const auto up = [](int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; };
  for (const auto& [name, parameter] : named_) {
    parameters_.push_back(parameter);
    offsets_.push_back(values_);
    values_ += up(parameter.numel(), kAlignment);
  }
  const auto like = named_.front().second.options().requires_grad(false);
  flat_gradient_ = at::zeros({up(values_, multiple)}, like);
  step_ = at::zeros({}, like);
  gradients_ = views_of(flat_gradient_);
  zero_grad();
}

std::vector<at::Tensor> AdamW::views_of(const at::Tensor& flat) const {
  std::vector<at::Tensor> result;
  // The kernel wants one memory layout for a parameter and all that belongs to it (channels_last).
  for (size_t i = 0; i < parameters_.size(); ++i)
    result.push_back(flat.as_strided(parameters_[i].sizes(), parameters_[i].strides(), offsets_[i]));
  return result;
}

void AdamW::zero_grad() {
  flat_gradient_.zero_();
  for (size_t i = 0; i < parameters_.size(); ++i) parameters_[i].mutable_grad() = gradients_[i];
}

// A gradient that autograd replaced instead of accumulating in place is copied back.
void AdamW::collect_gradients() {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& gradient = parameters_[i].grad();
    if (gradient.defined() && !gradient.is_same(gradients_[i]) && gradient.data_ptr() != gradients_[i].data_ptr())
      gradients_[i].copy_(gradient);
  }
}

at::Tensor AdamW::gradient_norm() {
  at::NoGradGuard no_grad;
  collect_gradients();
  return norm();
}

AdamW::Clipped AdamW::clip(const at::Tensor& loss_scale) {
  collect_gradients();
  at::Tensor norm = this->norm();
  const at::Tensor bad = norm.isfinite().logical_not().to(at::kFloat);
  at::Tensor factor;
  if (loss_scale.defined()) {
    factor = loss_scale.reciprocal();
    norm = norm * factor;
  }
  if (options_.max_grad_norm > 0) {
    const at::Tensor clip = (options_.max_grad_norm / (norm + 1e-6)).clamp_max(1.0);
    factor = factor.defined() ? factor * clip : clip;
  }
  if (factor.defined()) flat_gradient_.mul_(factor);
  step_.add_(1 - bad);
  return {norm, bad};
}

at::Tensor AdamW::step(double learning_rate, const at::Tensor& loss_scale) {
  at::NoGradGuard no_grad;
  const auto [norm, bad] = clip(loss_scale);
  update(full_parameters_, full_gradients_, exp_avgs_, exp_avg_sqs_, learning_rate, bad);
  for (auto& small : small_) {
    const auto layout = small.parameter.strides();
    auto as_laid_out = [&](const at::Tensor& values) {
      return at::empty_strided(values.sizes(), layout, values.options()).copy_(values);
    };
    const at::Tensor exp_avg = as_laid_out(small.exp_avg.read());
    const at::Tensor exp_avg_sq = as_laid_out(small.root_exp_avg_sq.read().square());
    update({small.parameter}, {small.gradient}, {exp_avg}, {exp_avg_sq}, learning_rate, bad);
    small.exp_avg.write(exp_avg);
    small.root_exp_avg_sq.write(exp_avg_sq.sqrt());
  }
  return norm;
}

void AdamW::update(const std::vector<at::Tensor>& parameters, const std::vector<at::Tensor>& gradients,
                   const std::vector<at::Tensor>& exp_avgs, const std::vector<at::Tensor>& exp_avg_sqs,
                   double learning_rate, const at::Tensor& bad) {
  if (parameters.empty()) return;
  // One step counter shared by all: the kernel only reads it.
  const std::vector<at::Tensor> steps(parameters.size(), step_);
  at::_fused_adamw_(parameters, gradients, exp_avgs, exp_avg_sqs, {}, steps, learning_rate, options_.beta1,
                    options_.beta2, options_.weight_decay, options_.eps, /*amsgrad=*/false, /*maximize=*/false,
                    /*grad_scale=*/{}, /*found_inf=*/bad);
}

std::vector<std::pair<std::string, at::Tensor>> AdamW::state() const {
  std::vector<std::pair<std::string, at::Tensor>> result{{"step", step_}};
  for (size_t i = 0; i < full_names_.size(); ++i) {
    result.emplace_back("exp_avg." + full_names_[i], exp_avgs_[i]);
    result.emplace_back("exp_avg_sq." + full_names_[i], exp_avg_sqs_[i]);
  }
  for (const auto& small : small_) {
    result.emplace_back("exp_avg." + small.name + ".codes", small.exp_avg.codes());
    result.emplace_back("exp_avg." + small.name + ".scales", small.exp_avg.scales());
    result.emplace_back("root_exp_avg_sq." + small.name + ".codes", small.root_exp_avg_sq.codes());
    result.emplace_back("root_exp_avg_sq." + small.name + ".scales", small.root_exp_avg_sq.scales());
  }
  return result;
}

void AdamW::load_state(const std::vector<std::pair<std::string, at::Tensor>>& state, const std::string& what) {
  copy_by_name(this->state(), state, what);
}

}  // namespace anonymizer
