// The operators that take the place of aten::linear and aten::_convolution in adapted layers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "adapters/adapted_layer.h"

namespace anonymizer {

// Registers the operators at the first call and gives their namespace. Not at load, where a failure would end the
// process; and each loaded copy of this library has a namespace of its own, for a process may hold several.
const std::string& adapted_operators();

// y = x·Wᵀ + bias with W = layer.weight(). Gradients reach x and the layer's trained A and B; W and the bias are
// frozen.
at::Tensor adapted_linear(const at::Tensor& x, const AdaptedLayerRef& layer, const std::optional<at::Tensor>& bias);

at::Tensor adapted_conv2d(const at::Tensor& x, const AdaptedLayerRef& layer, const std::optional<at::Tensor>& bias,
                          std::vector<int64_t> stride, std::vector<int64_t> padding, std::vector<int64_t> dilation);

}  // namespace anonymizer
