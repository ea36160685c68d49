#include "distributed/sharded_adamw.h"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "engine/error.h"
#include "engine/script_module.h"

namespace anonymizer {

ShardedAdamW::ShardedAdamW(std::vector<std::pair<std::string, at::Tensor>> parameters, const AdamWOptions& options,
                           Communicator& communicator)
    : AdamW(std::move(parameters), options, WithoutMoments{}), communicator_(communicator) {
  at::NoGradGuard no_grad;
  if (options_.state_bits != 32) throw CodedError("ERR_INVALID_ARGUMENT", "A sharded optimizer has states of 32 bits");
  join_gradients(kAlignment * communicator_.world_size());
  shard_ = flat_gradient_.numel() / communicator_.world_size();
  const int64_t begin = shard_ * communicator_.rank();
  flat_parameter_ = at::zeros_like(flat_gradient_);
  part_ = flat_parameter_.narrow(0, begin, shard_);
  exp_avg_ = at::zeros({shard_}, flat_gradient_.options());
  exp_avg_sq_ = at::zeros({shard_}, flat_gradient_.options());
  const auto views = views_of(flat_parameter_);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    views[i].copy_(parameters_[i]);
    parameters_[i].set_data(views[i]);
    const int64_t from = std::max(offsets_[i], begin);
    const int64_t values = std::min(offsets_[i] + parameters_[i].numel(), begin + shard_) - from;
    if (values <= 0) continue;
    own_.parameters.push_back(flat_parameter_.narrow(0, from, values));
    own_.gradients.push_back(flat_gradient_.narrow(0, from, values));
    own_.exp_avgs.push_back(exp_avg_.narrow(0, from - begin, values));
    own_.exp_avg_sqs.push_back(exp_avg_sq_.narrow(0, from - begin, values));
  }
}

at::Tensor ShardedAdamW::step(double learning_rate, const at::Tensor& loss_scale) {
  at::NoGradGuard no_grad;
  const Clipping clipping = clip(loss_scale);
  update(own_.parameters, own_.gradients, own_.exp_avgs, own_.exp_avg_sqs, learning_rate, clipping);
  communicator_.all_gather(flat_parameter_, part_.clone(), "gathering the updated weights");
  return clipping.norm;
}

std::vector<std::pair<std::string, at::Tensor>> ShardedAdamW::views(const char* moment, const at::Tensor& flat) const {
  std::vector<std::pair<std::string, at::Tensor>> result;
  const auto views = views_of(flat);
  for (size_t i = 0; i < views.size(); ++i) result.emplace_back(std::string(moment) + "." + named_[i].first, views[i]);
  return result;
}

std::vector<std::pair<std::string, at::Tensor>> ShardedAdamW::state() const {
  std::vector<std::pair<std::string, at::Tensor>> result;
  for (const auto& [moment, part] : {std::pair{"exp_avg", exp_avg_}, {"exp_avg_sq", exp_avg_sq_}}) {
    const at::Tensor whole = communicator_.gather(part, "gathering the optimizer's state");
    if (!whole.defined()) continue;
    if (result.empty()) result.emplace_back("step", step_);
    for (auto& view : views(moment, whole)) result.push_back(std::move(view));
  }
  return result;
}

void ShardedAdamW::load_state(const std::vector<std::pair<std::string, at::Tensor>>& state, const std::string& what) {
  at::NoGradGuard no_grad;
  // Whole on the CPU first, so that everything is checked before anything is changed.
  const auto host = flat_gradient_.options().device(at::kCPU);
  const at::Tensor exp_avg = at::zeros({flat_gradient_.numel()}, host);
  const at::Tensor exp_avg_sq = at::zeros({flat_gradient_.numel()}, host);
  std::vector<std::pair<std::string, at::Tensor>> targets{{"step", at::zeros({}, host)}};
  for (auto& view : views("exp_avg", exp_avg)) targets.push_back(std::move(view));
  for (auto& view : views("exp_avg_sq", exp_avg_sq)) targets.push_back(std::move(view));
  copy_by_name(targets, state, what);
  step_.copy_(targets.front().second);
  const int64_t begin = shard_ * communicator_.rank();
  exp_avg_.copy_(exp_avg.narrow(0, begin, shard_));
  exp_avg_sq_.copy_(exp_avg_sq.narrow(0, begin, shard_));
}

}  // namespace anonymizer
