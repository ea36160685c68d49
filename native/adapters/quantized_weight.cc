#include "adapters/quantized_weight.h"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

namespace anonymizer {
namespace {

// [out] → [out, 1, …]
at::Tensor per_channel(const at::Tensor& scales, int64_t dimensions) {
  std::vector<int64_t> shape(static_cast<size_t>(dimensions), 1);
  shape[0] = scales.size(0);
  return scales.view(shape);
}

}  // namespace

at::Tensor QuantizedWeight::dense() const { return values.to(at::kFloat).mul_(per_channel(scales, values.dim())); }

QuantizedWeight quantize_int8(const at::Tensor& weight) {
  at::NoGradGuard no_grad;
  const at::Tensor scales = weight.flatten(1).abs().amax(1).div(127);
  // A channel of zeros has the scale 0; dividing by 1 instead leaves it zeros.
  const at::Tensor divisor = at::where(scales > 0, scales, at::ones_like(scales));
  const at::Tensor values = (weight / per_channel(divisor, weight.dim())).round_().clamp_(-127, 127);
  return {values.to(at::kChar), scales};
}

}  // namespace anonymizer
