// AdamW (Loshchilov & Hutter 2019) over one fused kernel, with gradients in one flat buffer.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anonymizer {

struct AdamWOptions {
  double learning_rate = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;
  double max_grad_norm = 0;  // 0 = no clipping
};

class AdamW {
 public:
  AdamW(std::vector<std::pair<std::string, at::Tensor>> parameters, const AdamWOptions& options);

  // Points every .grad into the flat buffer and sets it to zero.
  void zero_grad();
  // Clips to max_grad_norm (coefficient min(1, max/(norm + 1e-6)), as torch's clip_grad_norm_) and updates. Does not
  // wait for the device: where the norm is not finite the kernel leaves everything as it is. Returns the norm before
  // clipping, a scalar tensor on the device.
  at::Tensor step(double learning_rate);

  // exp_avg.NAME, exp_avg_sq.NAME, step
  std::vector<std::pair<std::string, at::Tensor>> state() const;
  void load_state(const std::vector<std::pair<std::string, at::Tensor>>& state, const std::string& what);

  const std::vector<std::pair<std::string, at::Tensor>>& parameters() const { return named_; }
  const AdamWOptions& options() const { return options_; }

 private:
  std::vector<std::pair<std::string, at::Tensor>> named_;
  AdamWOptions options_;
  std::vector<at::Tensor> parameters_, gradients_, exp_avgs_, exp_avg_sqs_, steps_;
  at::Tensor flat_gradient_, step_;
};

}  // namespace anonymizer
