// AdamW (Loshchilov & Hutter 2019) over one fused kernel.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "optim/blockwise_8bit.h"

namespace anonymizer {

struct AdamWOptions {
  double learning_rate = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;
  double max_grad_norm = 0;  // 0 = no clipping
  int state_bits = 32;       // 8 = block-wise 8-bit moments for parameters of at least kMin8bitSize values
};

class AdamW {
 public:
  // Smaller parameters (biases, norms) keep float32 moments: little to save, much to lose.
  static constexpr int64_t kMin8bitSize = 4096;

  AdamW(std::vector<std::pair<std::string, at::Tensor>> parameters, const AdamWOptions& options);
  virtual ~AdamW() = default;

  // From now on every .grad is a view into one buffer, which is as long as all parameters, rounded up to a multiple of
  // `multiple`: what exchanges gradients between ranks needs. Otherwise they stay where autograd makes them, which
  // saves setting them to zero and adding to that.
  void join_gradients(int64_t multiple = kAlignment);
  // Forgets the gradients; joined ones are set to zero.
  void zero_grad();
  // Frees gradients that are not joined.
  void release_gradients();
  // Divides by `loss_scale` (undefined = 1), clips to max_grad_norm (coefficient min(1, max/(norm + 1e-6)), as torch's
  // clip_grad_norm_) and updates. Does not wait for the device: where the norm is not finite the kernel leaves
  // everything as it is. Returns the norm before clipping, a scalar tensor on the device.
  virtual at::Tensor step(double learning_rate, const at::Tensor& loss_scale = {});
  // Norm of the gradients as they are now.
  at::Tensor gradient_norm();
  // One for each parameter; zeros where a parameter got none.
  const std::vector<at::Tensor>& gradients();

  // step, exp_avg.NAME, exp_avg_sq.NAME; in 8 bits exp_avg.NAME.codes and .scales, root_exp_avg_sq.NAME.codes and
  // .scales
  virtual std::vector<std::pair<std::string, at::Tensor>> state() const;
  virtual void load_state(const std::vector<std::pair<std::string, at::Tensor>>& state, const std::string& what);

  const std::vector<std::pair<std::string, at::Tensor>>& parameters() const { return named_; }
  const AdamWOptions& options() const { return options_; }

 protected:
  struct WithoutMoments {};
  AdamW(std::vector<std::pair<std::string, at::Tensor>> parameters, const AdamWOptions& options, WithoutMoments);

  // Parameters start at multiples of this in a flat buffer, a cache line, which is also what the kernel works in: a
  // part that begins at such a place is updated with the same bits as in the whole.
  static constexpr int64_t kAlignment = 16;

  struct Clipping {
    at::Tensor norm;     // before clipping, without the loss scale
    at::Tensor divisor;  // of the gradients: loss scale and clipping; undefined = 1
    at::Tensor bad;      // 1 where the norm is not finite
  };
  // Counts the step.
  Clipping clip(const at::Tensor& loss_scale);
  // Of a flat buffer, one for each parameter.
  std::vector<at::Tensor> views_of(const at::Tensor& flat) const;
  void update(const std::vector<at::Tensor>& parameters, const std::vector<at::Tensor>& gradients,
              const std::vector<at::Tensor>& exp_avgs, const std::vector<at::Tensor>& exp_avg_sqs, double learning_rate,
              const Clipping& clipping);

  std::vector<std::pair<std::string, at::Tensor>> named_;
  AdamWOptions options_;
  std::vector<at::Tensor> parameters_, gradients_;
  std::vector<int64_t> offsets_;  // in a flat buffer
  int64_t values_ = 0;            // of all parameters in it
  at::Tensor flat_gradient_;      // undefined: not joined
  at::Tensor step_;

 private:
  // Moments of one parameter in 8 bits. The second is kept as its root: squares of small gradients would be rounded to
  // zero and blow the update up (Li et al. 2023, "Memory Efficient Optimizers with 4-bit States", on the zero point).
  struct Small {
    size_t index;  // of the parameter
    Blockwise8bit exp_avg, root_exp_avg_sq;
  };

  at::Tensor norm() const;

  // Parameters with float32 moments.
  std::vector<size_t> full_;
  std::vector<at::Tensor> exp_avgs_, exp_avg_sqs_;
  std::vector<Small> small_;
};

}  // namespace anonymizer
