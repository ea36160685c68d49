// Dynamic loss scaling for float16 (Micikevicius et al. 2018), with torch.amp.GradScaler's rule and defaults.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace anonymizer {

class LossScale {
 public:
  static constexpr double kInitial = 65536, kGrowth = 2, kBackoff = 0.5;
  static constexpr int64_t kGrowthInterval = 2000;

  explicit LossScale(c10::Device device);
  // Scalar on the device.
  const at::Tensor& value() const { return scale_; }
  // `bad`: float scalar, above 0 where a gradient overflowed. Halves then; doubles after kGrowthInterval good steps.
  // Does not wait for the device.
  void update(const at::Tensor& bad);

  // loss_scale, loss_scale_growth
  std::vector<std::pair<std::string, at::Tensor>> state() const;

 private:
  at::Tensor scale_, growth_;
};

}  // namespace anonymizer
