// The adapter that is trained: a pair A, B for each target layer, over a frozen (or 8-bit) base.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adapters/adapted_layer.h"

namespace anonymizer {

// peft's name for the file of an adapter; what checkpoints hold of it.
inline constexpr const char* kAdapterFile = "adapter_model.safetensors";

// Bytes of the module's parameters and buffers as they are stored now.
int64_t state_bytes(const ScriptModule& module);

enum class LoraInit {
  kKaimingUniform,  // A uniform in ±1/√fan_in, B zero: peft's default
  kGaussian,        // A normal with standard deviation 1/r, B zero: init_lora_weights="gaussian"
};

struct LoraOptions {
  std::vector<std::string> layers;  // full names
  int64_t rank = 8;
  double alpha = 8;
  bool rslora = false;  // scale α/√r (Kalajdzievski 2023) in place of α/r
  LoraInit init = LoraInit::kKaimingUniform;
  bool quantize_base = false;
};

class Lora {
 public:
  // Adapts the layers of `module`, freezes everything else in it and, where asked, stores the weights of all its Linear
  // and Conv2d layers in 8 bits. A depends on the seed and the layer's name alone. ERR_INVALID_ARGUMENT, ERR_ADAPTER.
  Lora(ScriptModule& module, const LoraOptions& options, uint64_t seed);
  // LAYER.lora_A.weight, LAYER.lora_B.weight: all that gets gradients.
  const std::vector<NamedTensor>& parameters() const { return parameters_; }
  // The same tensors under the names that peft gives them in adapter_model.safetensors.
  std::vector<NamedTensor> peft_state() const;
  // Of the weights that are stored in 8 bits.
  int64_t quantized_bytes() const { return quantized_bytes_; }

 private:
  std::vector<NamedTensor> parameters_;
  int64_t quantized_bytes_ = 0;
};

}  // namespace anonymizer
