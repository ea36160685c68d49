#include "optim/adamw.h"

#include <optional>

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include "engine/error.h"
#include "engine/script_module.h"

namespace anonymizer {

namespace {

int64_t up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

std::vector<at::Tensor> pick(const std::vector<at::Tensor>& all, const std::vector<size_t>& indices) {
  std::vector<at::Tensor> result;
  for (const size_t index : indices) result.push_back(all[index]);
  return result;
}

}  // namespace

AdamW::AdamW(std::vector<std::pair<std::string, at::Tensor>> parameters, const AdamWOptions& options)
    : AdamW(std::move(parameters), options, WithoutMoments{}) {
  auto in_8bit = [&](const at::Tensor& parameter) {
    return options_.state_bits == 8 && parameter.numel() >= kMin8bitSize;
  };
  int64_t full = 0;
  for (const auto& parameter : parameters_) {
    if (!in_8bit(parameter)) full += parameter.numel();
  }
  const at::Tensor exp_avg = at::zeros({full}, step_.options());
  const at::Tensor exp_avg_sq = at::zeros({full}, step_.options());
  int64_t offset = 0;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& parameter = parameters_[i];
    if (in_8bit(parameter)) {
      small_.push_back({i, Blockwise8bit(parameter.sizes(), true, parameter.device()),
                        Blockwise8bit(parameter.sizes(), false, parameter.device())});
      continue;
    }
    full_.push_back(i);
    exp_avgs_.push_back(exp_avg.as_strided(parameter.sizes(), parameter.strides(), offset));
    exp_avg_sqs_.push_back(exp_avg_sq.as_strided(parameter.sizes(), parameter.strides(), offset));
    offset += parameter.numel();
  }
}

AdamW::AdamW(std::vector<std::pair<std::string, at::Tensor>> parameters, const AdamWOptions& options, WithoutMoments)
    : named_(std::move(parameters)), options_(options) {
  if (named_.empty()) throw CodedError("ERR_INVALID_ARGUMENT", "There is no trainable parameter");
  if (options_.state_bits != 8 && options_.state_bits != 32) {
    throw CodedError("ERR_INVALID_ARGUMENT",
                     "Optimizer states have 8 or 32 bits, not " + std::to_string(options_.state_bits));
  }
  for (const auto& [name, parameter] : named_) {
    parameters_.push_back(parameter);
    offsets_.push_back(values_);
    values_ += up(parameter.numel(), kAlignment);
  }
  step_ = at::zeros({}, parameters_.front().options().requires_grad(false));
  gradients_.resize(parameters_.size());
  zero_grad();
}

void AdamW::join_gradients(int64_t multiple) {
  flat_gradient_ = at::zeros({up(values_, multiple)}, step_.options());
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
  if (flat_gradient_.defined()) flat_gradient_.zero_();
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!flat_gradient_.defined()) gradients_[i].reset();
    parameters_[i].mutable_grad() = gradients_[i];
  }
}

void AdamW::release_gradients() {
  if (!flat_gradient_.defined()) zero_grad();
}

const std::vector<at::Tensor>& AdamW::gradients() {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const at::Tensor& gradient = parameters_[i].grad();
    if (!flat_gradient_.defined()) {
      gradients_[i] = gradient.defined() ? gradient : at::zeros_like(parameters_[i]);
    } else if (gradient.defined() && !gradient.is_same(gradients_[i]) &&
               gradient.data_ptr() != gradients_[i].data_ptr()) {
      // Autograd replaced it instead of accumulating in place.
      gradients_[i].copy_(gradient);
    }
  }
  return gradients_;
}

// One norm over all values at once would round more, and differently where gradients are joined.
at::Tensor AdamW::norm() const { return at::stack(at::_foreach_norm(gradients_)).norm(); }

at::Tensor AdamW::gradient_norm() {
  at::NoGradGuard no_grad;
  gradients();
  return norm();
}

AdamW::Clipping AdamW::clip(const at::Tensor& loss_scale) {
  gradients();
  Clipping result{norm(), loss_scale, {}};
  result.bad = result.norm.isfinite().logical_not().to(at::kFloat);
  if (loss_scale.defined()) result.norm = result.norm / loss_scale;
  if (options_.max_grad_norm > 0) {
    const at::Tensor clip = ((result.norm + 1e-6) / options_.max_grad_norm).clamp_min(1.0);
    result.divisor = loss_scale.defined() ? loss_scale * clip : clip;
  }
  step_.add_(1 - result.bad);
  return result;
}

at::Tensor AdamW::step(double learning_rate, const at::Tensor& loss_scale) {
  at::NoGradGuard no_grad;
  const Clipping clipping = clip(loss_scale);
  update(pick(parameters_, full_), pick(gradients_, full_), exp_avgs_, exp_avg_sqs_, learning_rate, clipping);
  for (auto& small : small_) {
    const at::Tensor& parameter = parameters_[small.index];
    auto as_laid_out = [&](const at::Tensor& values) {
      return at::empty_strided(values.sizes(), parameter.strides(), values.options()).copy_(values);
    };
    const at::Tensor exp_avg = as_laid_out(small.exp_avg.read());
    const at::Tensor exp_avg_sq = as_laid_out(small.root_exp_avg_sq.read().square());
    update({parameter}, {gradients_[small.index]}, {exp_avg}, {exp_avg_sq}, learning_rate, clipping);
    small.exp_avg.write(exp_avg);
    small.root_exp_avg_sq.write(exp_avg_sq.sqrt());
  }
  return clipping.norm;
}

void AdamW::update(const std::vector<at::Tensor>& parameters, const std::vector<at::Tensor>& gradients,
                   const std::vector<at::Tensor>& exp_avgs, const std::vector<at::Tensor>& exp_avg_sqs,
                   double learning_rate, const Clipping& clipping) {
  if (parameters.empty()) return;
  // One step counter shared by all: the kernel only reads it.
  const std::vector<at::Tensor> steps(parameters.size(), step_);
  // The kernel divides the gradients on its way: a pass of its own would go through all of them once more.
  const auto divisor = clipping.divisor.defined() ? std::optional<at::Tensor>(clipping.divisor) : std::nullopt;
  at::_fused_adamw_(parameters, gradients, exp_avgs, exp_avg_sqs, {}, steps, learning_rate, options_.beta1,
                    options_.beta2, options_.weight_decay, options_.eps, /*amsgrad=*/false, /*maximize=*/false,
                    /*grad_scale=*/divisor, /*found_inf=*/clipping.bad);
}

std::vector<std::pair<std::string, at::Tensor>> AdamW::state() const {
  std::vector<std::pair<std::string, at::Tensor>> result{{"step", step_}};
  for (size_t i = 0; i < full_.size(); ++i) {
    const std::string& name = named_[full_[i]].first;
    result.emplace_back("exp_avg." + name, exp_avgs_[i]);
    result.emplace_back("exp_avg_sq." + name, exp_avg_sqs_[i]);
  }
  for (const auto& small : small_) {
    const std::string& name = named_[small.index].first;
    result.emplace_back("exp_avg." + name + ".codes", small.exp_avg.codes());
    result.emplace_back("exp_avg." + name + ".scales", small.exp_avg.scales());
    result.emplace_back("root_exp_avg_sq." + name + ".codes", small.root_exp_avg_sq.codes());
    result.emplace_back("root_exp_avg_sq." + name + ".scales", small.root_exp_avg_sq.scales());
  }
  return result;
}

void AdamW::load_state(const std::vector<std::pair<std::string, at::Tensor>>& state, const std::string& what) {
  copy_by_name(this->state(), state, what);
}

}  // namespace anonymizer
