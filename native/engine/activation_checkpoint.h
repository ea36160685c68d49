// Activation checkpointing (Chen et al. 2016): a part of the network keeps only its inputs and is run again in the
// backward pass. Gradients are those of the plain run; memory falls to the largest part, time grows by one forward.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace anonymizer {

using TensorFunction = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>&)>;

// Runs `part` on `inputs`. Where gradients are recorded, nothing of its inside is kept for the backward pass; there it
// is run again under the autocast state of now. `part` must be a pure function of its inputs and of weights that don't
// change before the backward pass, and must live until then.
std::vector<at::Tensor> checkpointed(const TensorFunction& part, const std::vector<at::Tensor>& inputs);

}  // namespace anonymizer
