// 8-bit weights: one scale for each output channel, so that a row of small weights keeps its precision.
#pragma once

#include <ATen/core/Tensor.h>

namespace anonymizer {

struct QuantizedWeight {
  at::Tensor values;  // int8, the weight's shape
  at::Tensor scales;  // float32 [out]
  bool defined() const { return values.defined(); }
  // float32 of the weight's shape: values · scales.
  at::Tensor dense() const;
};

// Symmetric absmax quantization: scale = max|w| / 127 over an output channel, value = round(w / scale). The error of a
// value is at most half its channel's scale. weight: float32 [out, …].
QuantizedWeight quantize_int8(const at::Tensor& weight);

}  // namespace anonymizer
