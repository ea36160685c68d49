// Exponential moving average of the weights, as diffusers' EMAModel computes it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace anonymizer {

class Ema {
 public:
  Ema(std::vector<std::pair<std::string, at::Tensor>> parameters, double decay);
  // s = 0-based number of this update: decay min(decay, (1+s)/(10+s)), 0 at the first. `bad` (scalar, 0 or 1) skips it.
  void update(int64_t step, const at::Tensor& bad);
  const std::vector<std::pair<std::string, at::Tensor>>& shadow() const { return shadow_; }
  void load_state(const std::vector<std::pair<std::string, at::Tensor>>& state, const std::string& what);

 private:
  std::vector<std::pair<std::string, at::Tensor>> parameters_, shadow_;
  double decay_;
};

// The averaged weights take the place of the trained ones while this lives.
class EmaScope {
 public:
  EmaScope(const std::vector<std::pair<std::string, at::Tensor>>& parameters, const Ema* ema);
  ~EmaScope();
  EmaScope(const EmaScope&) = delete;
  EmaScope& operator=(const EmaScope&) = delete;

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> saved_;
};

}  // namespace anonymizer
