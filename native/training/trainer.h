// The training step: forward, backward, accumulate, clip, update, average.
#pragma once

#include <memory>
#include <optional>

#include "distributed/gradient_reducer.h"
#include "optim/adamw.h"
#include "optim/ema.h"
#include "optim/loss_scale.h"
#include "optim/lr_schedule.h"
#include "training/objective.h"

namespace anonymizer {

struct TrainerOptions {
  c10::Device device = c10::Device(c10::kCPU);
  // Of the forward pass under autocast; weights stay float32. kHalf scales the loss.
  c10::ScalarType precision = c10::ScalarType::Float;
  bool channels_last = false;
  uint64_t seed = 0;
  uint64_t rank = 0;
  AdamWOptions optimizer;
  ScheduleOptions schedule;
  double ema_decay = 0;  // 0 = none
  AugmentOptions augment;
  std::vector<std::string> freeze;
  // Undefined for a process that trains alone.
  std::shared_ptr<Communicator> communicator;
  int64_t bucket_bytes = 25 << 20;
  // ZeRO stage 1: the optimizer's state is spread over the ranks.
  bool shard_optimizer = false;

  at::MemoryFormat format() const {
    return channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  }
};

struct StepResult {
  std::vector<std::pair<std::string, double>> losses;  // total and unweighted terms, means over the samples
  double grad_norm = 0;
  double learning_rate = 0;
  double compute_ms = 0;
  // float16 only: the scale of the next step, and whether this one was left out because a gradient overflowed.
  double loss_scale = 0;
  bool skipped = false;
};

struct ParameterInfo {
  std::string name;
  std::vector<int64_t> shape;
  bool trainable;
};

class Trainer {
 public:
  // The abort flag must outlive the trainer.
  Trainer(std::unique_ptr<Objective> objective, const TrainerOptions& options, const AbortFlag& abort);

  // With several ranks all of them step together, each with samples of its own; losses and gradient are those of all
  // samples joined. ERR_ABORTED when another rank asked to stop (by exchange), ERR_DISTRIBUTED when one is gone.
  StepResult step(const std::vector<Batch>& batches, uint64_t global_step);
  // Adds up `values` (at most kExchanged) over all ranks; `stop` is true when any rank's is. A rank that wants to stop
  // calls this once, wherever the others are: their next exchange or step sees it.
  std::pair<std::vector<double>, bool> exchange(const std::vector<double>& values, bool stop);
  static constexpr size_t kExchanged = 32;
  std::vector<std::pair<std::string, double>> compute_loss(const Batch& batch, uint64_t global_step);
  // L2 norm over all trainable parameters of each weighted term's gradient.
  std::vector<std::pair<std::string, double>> gradient_norms(const Batch& batch, uint64_t global_step);
  // Gradient of the total loss by parameter name.
  std::vector<NamedTensor> gradients(const Batch& batch, uint64_t global_step);
  // What the frozen networks make of the batch, augmented by its variants; nothing is updated.
  CachedInputs encode(const Batch& batch);
  // uint8 [B, H, W, 3]
  at::Tensor preview(const Batch& batch, int64_t steps, bool use_ema);

  LatentSums latent_sums(const Batch& batch, bool use_ema);

  // Every rank takes part; rank 0 writes.
  std::vector<std::string> save_state(const std::string& folder) const;
  void load_state(const std::string& folder);
  // files: part's file name in checkpoints → path to write.
  void export_weights(const std::vector<std::pair<std::string, std::string>>& files, bool use_ema);
  std::vector<ParameterInfo> parameters() const;
  int64_t adapted_base_bytes() const { return objective_->adapted_base_bytes(); }

 private:
  Loss loss_of(const PreparedBatch& batch, uint64_t global_step);
  [[noreturn]] void not_finite(uint64_t global_step, const std::vector<std::string>& names, const double* sums,
                               const std::vector<Batch>& batches, const double* totals);
  std::vector<NamedTensor> optimizer_state() const;
  StepContext context(uint64_t global_step) const { return {options_.seed, global_step, options_.rank}; }
  int64_t agree_on_samples(const std::vector<Batch>& batches, uint64_t global_step);

  std::unique_ptr<Objective> objective_;
  TrainerOptions options_;
  const AbortFlag& abort_;
  std::unique_ptr<AdamW> optimizer_;
  std::optional<Ema> ema_;
  std::optional<LossScale> loss_scale_;
  // Of several ranks only; the second where there is an adversary.
  std::unique_ptr<GradientReducer> reducer_, adversary_reducer_;
  // Samples of all ranks in the step that was agreed on last.
  std::optional<std::pair<uint64_t, int64_t>> agreed_;
};

}  // namespace anonymizer
