#include "training/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "distributed/sharded_adamw.h"
#include "engine/device.h"
#include "io/safetensors.h"

namespace anonymizer {
namespace {

std::string sample_list(const std::vector<uint64_t>& ids) {
  std::string out;
  for (const uint64_t id : ids) out += (out.empty() ? "" : ", ") + std::to_string(id);
  return out;
}

// What the ranks tell each other: a header, then values.
enum Header : int64_t { kStop, kKind, kStep, kSamples, kUnusable, kHeaderSize };
enum Kind : int64_t { kStepping = 1, kExchanging = 2 };

std::vector<at::Tensor> tensors_of(const std::vector<NamedTensor>& named) {
  std::vector<at::Tensor> result;
  for (const auto& [name, tensor] : named) result.push_back(tensor);
  return result;
}

}  // namespace

Trainer::Trainer(std::unique_ptr<Objective> objective, const TrainerOptions& options, const AbortFlag& abort)
    : objective_(std::move(objective)), options_(options), abort_(abort) {
  const auto all = objective_->parameters();
  std::vector<size_t> matches(options.freeze.size(), 0);
  std::vector<NamedTensor> trainable;
  for (const auto& [name, tensor] : all) {
    bool frozen = false;
    for (size_t i = 0; i < options.freeze.size(); ++i) {
      if (belongs_to(name, options.freeze[i])) {
        frozen = true;
        ++matches[i];
      }
    }
    tensor.requires_grad_(!frozen);
    if (!frozen) trainable.emplace_back(name, tensor);
  }
  for (size_t i = 0; i < matches.size(); ++i) {
    if (matches[i] == 0)
      throw CodedError("ERR_INVALID_ARGUMENT",
                       "freeze: no parameter belongs to a module named '" + options.freeze[i] + "'");
  }
  if (trainable.empty()) throw CodedError("ERR_INVALID_ARGUMENT", "freeze: nothing is left to train");
  for (const auto& [name, tensor] : trainable) {
    // A hook that throws is the one way to stop a backward pass.
    tensor.register_hook([flag = &abort_](const at::Tensor& gradient) {
      flag->check();
      return gradient;
    });
  }
  // oneDNN brings weights into a layout of its own; a permuted one costs it a detour.
  if (options.channels_last && !options.device.is_cpu()) {
    for (const auto& weights : {all, objective_->adapted_base()}) {
      for (const auto& [name, tensor] : weights) {
        if (tensor.dim() == 4) tensor.set_data(tensor.contiguous(at::MemoryFormat::ChannelsLast));
      }
    }
  }
  if (options.communicator) {
    std::vector<at::Tensor> state;
    for (const auto& part : objective_->state()) {
      for (const auto& [name, tensor] : part.tensors) state.push_back(tensor.detach());
    }
    options.communicator->broadcast(state, "taking over the weights of rank 0");
  }
  if (options.communicator && options.shard_optimizer) {
    optimizer_ = std::make_unique<ShardedAdamW>(trainable, options.optimizer, *options.communicator);
  } else {
    optimizer_ = std::make_unique<AdamW>(trainable, options.optimizer);
    if (options.communicator) optimizer_->join_gradients();
  }
  if (options.precision == at::kHalf) loss_scale_.emplace(options.device);
  if (options.ema_decay > 0) ema_.emplace(trainable, options.ema_decay);
  if (options.communicator) {
    auto& ranks = *options.communicator;
    reducer_ = std::make_unique<GradientReducer>(ranks, tensors_of(trainable), options.bucket_bytes, abort_);
    if (AdamW* const adversary = objective_->discriminator_optimizer()) {
      adversary->join_gradients();
      adversary_reducer_ =
          std::make_unique<GradientReducer>(ranks, tensors_of(adversary->parameters()), options.bucket_bytes, abort_);
    }
  }
}

std::pair<std::vector<double>, bool> Trainer::exchange(const std::vector<double>& values, bool stop) {
  if (values.size() > kExchanged)
    throw CodedError("ERR_INVALID_ARGUMENT", "exchange takes at most " + std::to_string(kExchanged) + " values");
  if (!options_.communicator) return {values, stop};
  at::Tensor all = at::zeros({kHeaderSize + static_cast<int64_t>(kExchanged)}, at::kDouble);
  double* data = all.mutable_data_ptr<double>();
  data[kStop] = stop ? 1 : 0;
  data[kKind] = kExchanging;
  std::copy(values.begin(), values.end(), data + kHeaderSize);
  options_.communicator->all_reduce(all, "exchanging results");
  if (data[kStop] > 0) return {values, true};
  if (data[kKind] != kExchanging * options_.communicator->world_size())
    options_.communicator->fail("exchanging results", "another rank is at another point of the run");
  return {std::vector<double>(data + kHeaderSize, data + kHeaderSize + values.size()), false};
}

// Samples of this step over all ranks; the weight of one sample's loss is one part of it. Says also that all are about
// to take the same step, before anything of it is done. A step that is tried again was agreed on already.
int64_t Trainer::agree_on_samples(const std::vector<Batch>& batches, uint64_t global_step) {
  int64_t samples = 0;
  for (const auto& batch : batches) samples += batch.size();
  if (!options_.communicator) return samples;
  if (agreed_ && agreed_->first == global_step) return agreed_->second;
  const auto ranks = options_.communicator->world_size();
  const bool unusable = std::any_of(batches.begin(), batches.end(), [](const Batch& batch) {
    return batch.images.is_floating_point() && !batch.images.isfinite().all().item<bool>();
  });
  at::Tensor all = at::zeros({kHeaderSize + static_cast<int64_t>(kExchanged)}, at::kDouble);
  double* data = all.mutable_data_ptr<double>();
  data[kKind] = kStepping;
  data[kStep] = static_cast<double>(global_step);
  data[kSamples] = static_cast<double>(samples);
  data[kUnusable] = unusable ? 1 : 0;
  options_.communicator->all_reduce(all, "agreeing on a step");
  if (data[kStop] > 0) throw CodedError("ERR_ABORTED", "Another rank asked to stop");
  if (data[kKind] != kStepping * ranks || data[kStep] != static_cast<double>(global_step) * ranks)
    options_.communicator->fail("agreeing on a step", "another rank is at another point of the run");
  // The rank that has it names the sample when it prepares its batch.
  if (data[kUnusable] > 0 && !unusable) {
    throw CodedError("ERR_TRAINING_NAN", "Step " + std::to_string(global_step) +
                                             ": a batch of another rank holds a value that is not finite");
  }
  agreed_ = {global_step, static_cast<int64_t>(data[kSamples])};
  if (unusable) {
    agreed_.reset();
    for (const auto& batch : batches) prepare(batch, options_.device, options_.format());
  }
  return agreed_->second;
}

Loss Trainer::loss_of(const PreparedBatch& batch, uint64_t global_step) {
  const Autocast autocast(options_.device, options_.precision);
  return objective_->loss(batch, context(global_step));
}

StepResult Trainer::step(const std::vector<Batch>& batches, uint64_t global_step) {
  const auto started = std::chrono::steady_clock::now();
  const int64_t samples = agree_on_samples(batches, global_step);
  optimizer_->zero_grad();
  AdamW* const adversary = objective_->discriminator_optimizer();
  if (adversary != nullptr) adversary->zero_grad();
  bool adversary_learns = false;
  std::vector<std::string> names;
  at::Tensor sums;
  std::vector<at::Tensor> totals;
  for (const auto& batch : batches) {
    abort_.check();
    PreparedBatch prepared = prepare(batch, options_.device, options_.format());
    augment(prepared, options_.augment, context(global_step));
    // Weighted by its share of the samples, so that unequal micro-batches add up to the joined batch exactly.
    const double share = static_cast<double>(batch.size()) / static_cast<double>(samples);
    auto backward = [&](const at::Tensor& loss, const std::unique_ptr<GradientReducer>& reducer) {
      at::Tensor weighted = loss * share;
      if (loss_scale_) weighted = weighted * loss_scale_->value();
      if (reducer) {
        reducer->backward(weighted, /*exchange=*/&batch == &batches.back());
      } else {
        weighted.backward();
      }
    };
    const Loss loss = loss_of(prepared, global_step);
    std::vector<at::Tensor> values{loss.total.detach().to(at::kFloat)};
    names = {"total"};
    for (const auto& term : loss.terms) {
      names.push_back(term.name);
      values.push_back(term.value.detach().to(at::kFloat));
    }
    if (loss.discriminator.defined()) {
      names.emplace_back("discriminator");
      values.push_back(loss.discriminator.detach().to(at::kFloat));
    }
    const at::Tensor row = at::stack(values) * share;
    sums = sums.defined() ? sums + row : row;
    totals.push_back(values[0]);
    abort_.check();
    backward(loss.total, reducer_);
    if (loss.discriminator.defined()) {
      adversary_learns = true;
      backward(loss.discriminator, adversary_reducer_);
    }
  }
  abort_.check();
  agreed_.reset();
  StepResult result;
  const double factor = learning_rate_factor(options_.schedule, static_cast<int64_t>(global_step));
  result.learning_rate = optimizer_->options().learning_rate * factor;
  const at::Tensor scale = loss_scale_ ? loss_scale_->value() : at::Tensor();
  const at::Tensor norm = optimizer_->step(result.learning_rate, scale);
  at::Tensor bad = norm.isfinite().logical_not().to(at::kFloat);
  if (ema_) ema_->update(static_cast<int64_t>(global_step), bad);
  if (adversary_learns) {
    const at::Tensor own = adversary->step(adversary->options().learning_rate * factor, scale);
    bad = at::maximum(bad, own.isfinite().logical_not().to(at::kFloat));
  }
  if (loss_scale_) loss_scale_->update(bad);
  // The one wait for the device in a step.
  std::vector<at::Tensor> rows{sums, norm.reshape({1}).to(at::kFloat), bad.reshape({1}), at::stack(totals)};
  if (loss_scale_) rows.push_back(loss_scale_->value().reshape({1}));
  const at::Tensor values = at::cat(rows).to(at::kCPU).to(at::kDouble);
  if (options_.communicator)
    options_.communicator->all_reduce(values.narrow(0, 0, static_cast<int64_t>(names.size())), "adding up losses");
  const double* read = values.const_data_ptr<double>();
  const double* after = read + names.size();
  result.grad_norm = after[0];
  for (size_t i = 0; i < names.size(); ++i) result.losses.emplace_back(names[i], read[i]);
  if (loss_scale_) result.loss_scale = after[2 + totals.size()];
  if (after[1] != 0) {
    bool losses_finite = true;
    for (size_t i = 0; i < names.size(); ++i) losses_finite = losses_finite && std::isfinite(read[i]);
    // A scale below one can't come from overflow.
    result.skipped = loss_scale_ && losses_finite && result.loss_scale >= 1;
    if (!result.skipped) not_finite(global_step, names, read, batches, after + 2);
  }
  optimizer_->release_gradients();
  if (adversary != nullptr) adversary->release_gradients();
  result.compute_ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
  return result;
}

void Trainer::not_finite(uint64_t global_step, const std::vector<std::string>& names, const double* sums,
                         const std::vector<Batch>& batches, const double* totals) {
  std::string culprit, where = options_.communicator ? " on another rank" : "";
  for (size_t i = names.size(); i-- > 1;) {
    if (!std::isfinite(sums[i])) culprit = "the loss term '" + names[i] + "'";
  }
  if (culprit.empty()) {
    culprit = "the gradient";
    for (const auto& [name, tensor] : optimizer_->parameters()) {
      if (tensor.grad().defined() && !tensor.grad().isfinite().all().item<bool>()) {
        culprit = "the gradient of '" + name + "'";
        break;
      }
    }
  }
  for (size_t i = 0; i < batches.size(); ++i) {
    if (!std::isfinite(totals[i])) where = " in a batch of the samples " + sample_list(batches[i].ids);
  }
  throw CodedError("ERR_TRAINING_NAN",
                   "Step " + std::to_string(global_step) + ": " + culprit + " is not finite" + where);
}

std::vector<std::pair<std::string, double>> Trainer::compute_loss(const Batch& batch, uint64_t global_step) {
  torch::NoGradGuard no_grad;
  const Loss loss = loss_of(prepare(batch, options_.device, options_.format()), global_step);
  std::vector<std::pair<std::string, double>> result{{"total", loss.total.item<double>()}};
  for (const auto& term : loss.terms) result.emplace_back(term.name, term.value.item<double>());
  return result;
}

std::vector<std::pair<std::string, double>> Trainer::gradient_norms(const Batch& batch, uint64_t global_step) {
  const Loss loss = loss_of(prepare(batch, options_.device, options_.format()), global_step);
  std::vector<std::pair<std::string, double>> result;
  for (const auto& term : loss.terms) {
    abort_.check();
    if (!term.value.requires_grad()) {
      result.emplace_back(term.name, 0.0);
      continue;
    }
    // Into the trainer's own gradients: with checkpointed activations only a full backward pass reaches the weights.
    optimizer_->zero_grad();
    (term.value * term.weight).backward({}, /*retain_graph=*/true);
    result.emplace_back(term.name, optimizer_->gradient_norm().item<double>());
  }
  optimizer_->zero_grad();
  return result;
}

std::vector<NamedTensor> Trainer::gradients(const Batch& batch, uint64_t global_step) {
  optimizer_->zero_grad();
  const Loss loss = loss_of(prepare(batch, options_.device, options_.format()), global_step);
  loss.total.backward();
  std::vector<NamedTensor> result;
  const auto& values = optimizer_->gradients();
  for (size_t i = 0; i < values.size(); ++i)
    result.emplace_back(optimizer_->parameters()[i].first, values[i].detach().to(at::kCPU).clone());
  optimizer_->zero_grad();
  return result;
}

at::Tensor Trainer::preview(const Batch& batch, int64_t steps, bool use_ema) {
  torch::NoGradGuard no_grad;
  const EmaScope scope(optimizer_->parameters(), use_ema && ema_ ? &*ema_ : nullptr);
  const PreparedBatch prepared = prepare(batch, options_.device, options_.format());
  const Autocast autocast(options_.device, options_.precision);
  return denormalise_images(objective_->preview(prepared, steps, context(0), abort_));
}

std::vector<NamedTensor> Trainer::optimizer_state() const {
  std::vector<NamedTensor> state = optimizer_->state();
  if (loss_scale_) {
    for (const auto& entry : loss_scale_->state()) state.push_back(entry);
  }
  return state;
}

LatentSums Trainer::latent_sums(const Batch& batch, bool use_ema) {
  torch::NoGradGuard no_grad;
  const EmaScope scope(optimizer_->parameters(), use_ema && ema_ ? &*ema_ : nullptr);
  const PreparedBatch prepared = prepare(batch, options_.device, options_.format());
  const Autocast autocast(options_.device, options_.precision);
  return objective_->latent_sums(prepared);
}

std::vector<std::string> Trainer::save_state(const std::string& folder) const {
  std::vector<std::string> files;
  auto write = [&](const std::string& name, const std::vector<NamedTensor>& tensors) {
    if (options_.communicator && options_.communicator->rank() != 0) return;
    write_safetensors(folder + "/" + name, tensors);
    files.push_back(name);
  };
  for (const auto& part : objective_->state()) write(part.file, part.tensors);
  write("optimizer.safetensors", optimizer_state());
  if (ema_) write("ema.safetensors", ema_->shadow());
  return files;
}

void Trainer::load_state(const std::string& folder) {
  // Everything is read before anything is changed.
  std::vector<std::pair<StatePart, std::vector<NamedTensor>>> parts;
  for (auto& part : objective_->state()) {
    auto values = read_safetensors(folder + "/" + part.file);
    parts.emplace_back(std::move(part), std::move(values));
  }
  const auto optimizer = read_safetensors(folder + "/optimizer.safetensors");
  std::vector<NamedTensor> ema;
  if (ema_) ema = read_safetensors(folder + "/ema.safetensors");
  for (const auto& [part, values] : parts) copy_by_name(part.tensors, values, folder + "/" + part.file);
  optimizer_->load_state(optimizer, folder + "/optimizer.safetensors");
  if (loss_scale_) copy_by_name(loss_scale_->state(), optimizer, folder + "/optimizer.safetensors");
  if (ema_) ema_->load_state(ema, folder + "/ema.safetensors");
}

void Trainer::export_weights(const std::vector<std::pair<std::string, std::string>>& files, bool use_ema) {
  const EmaScope scope(optimizer_->parameters(), use_ema && ema_ ? &*ema_ : nullptr);
  for (const auto& part : objective_->state()) {
    for (const auto& [file, path] : files) {
      if (file == part.file) write_safetensors(path, part.tensors, {{"format", "pt"}});
    }
  }
}

std::vector<ParameterInfo> Trainer::parameters() const {
  std::vector<ParameterInfo> result;
  for (const auto& [name, tensor] : objective_->parameters())
    result.push_back({name, tensor.sizes().vec(), tensor.requires_grad()});
  return result;
}

}  // namespace anonymizer
