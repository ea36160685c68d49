#include "adapters/lora.h"

#include <ATen/Functions.h>

#include <cmath>

#include "engine/error.h"
#include "engine/random.h"

namespace anonymizer {
namespace {

// Smaller weights gain nothing from 8 bits.
constexpr int64_t kMinQuantized = 4096;

// FNV-1a: the same name gives the same number in every build.
uint64_t name_hash(const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325ull;
  for (const unsigned char c : name) hash = (hash ^ c) * 0x100000001b3ull;
  return hash;
}

at::Tensor initial_a(const LoraOptions& options, const SampleSeed& seed, std::vector<int64_t> shape) {
  shape[0] = options.rank;
  int64_t fan_in = 1;
  for (size_t d = 1; d < shape.size(); ++d) fan_in *= shape[d];
  const at::Tensor normal = seed.normal(Purpose::kInitialisation, shape);
  if (options.init == LoraInit::kGaussian) return normal / static_cast<double>(options.rank);
  // Uniform from the normal's distribution function, so that one generator serves all. The bound is that of
  // kaiming_uniform_(a=√5): √(6 / ((1 + 5)·fan_in)).
  return at::erf(normal / std::sqrt(2.0)) / std::sqrt(static_cast<double>(fan_in));
}

}  // namespace

int64_t state_bytes(const ScriptModule& module) {
  int64_t result = 0;
  for (const auto& [name, tensor] : module.state()) result += static_cast<int64_t>(tensor.nbytes());
  return result;
}

Lora::Lora(ScriptModule& module, const LoraOptions& options, uint64_t seed) {
  if (options.rank < 1) throw CodedError("ERR_INVALID_ARGUMENT", "lora.rank must be at least 1");
  if (!(options.alpha > 0) || !std::isfinite(options.alpha))
    throw CodedError("ERR_INVALID_ARGUMENT", "lora.alpha must be above 0");
  if (options.layers.empty()) throw CodedError("ERR_INVALID_ARGUMENT", "lora.layers names no layer");
  module.set_requires_grad(false);
  if (options.quantize_base) {
    for (const auto& name : adaptable_layers(module)) {
      const AdaptedLayerRef layer = adapt_layer(module, name);
      if (layer->weight().numel() >= kMinQuantized) layer->quantize();
      quantized_bytes_ += layer->quantized_bytes();
    }
  }
  const auto rank = static_cast<double>(options.rank);
  for (const auto& name : options.layers) {
    const AdaptedLayerRef layer = adapt_layer(module, name);
    if (layer->trained().defined()) throw CodedError("ERR_INVALID_ARGUMENT", "lora.layers names '" + name + "' twice");
    const at::Tensor weight = layer->weight();
    std::vector<int64_t> b_shape(static_cast<size_t>(weight.dim()), 1);
    b_shape[0] = weight.size(0);
    b_shape[1] = options.rank;
    LowRank pair;
    pair.a = initial_a(options, {seed, 0, 0, name_hash(name)}, weight.sizes().vec()).to(weight.device());
    pair.b = at::zeros(b_shape, weight.options());
    pair.scale = options.alpha / (options.rslora ? std::sqrt(rank) : rank);
    layer->check(pair, name);
    pair.a.requires_grad_(true);
    pair.b.requires_grad_(true);
    parameters_.emplace_back(name + ".lora_A.weight", pair.a);
    parameters_.emplace_back(name + ".lora_B.weight", pair.b);
    layer->train(std::move(pair));
    module.mark_trained(name);
  }
}

std::vector<NamedTensor> Lora::peft_state() const {
  std::vector<NamedTensor> result;
  for (const auto& [name, tensor] : parameters_) result.emplace_back("base_model.model." + name, tensor);
  return result;
}

}  // namespace anonymizer
