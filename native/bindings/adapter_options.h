// Adapters as they come from JavaScript.
#pragma once

#include <string>
#include <vector>

#include "adapters/applied_adapters.h"
#include "adapters/lora.h"
#include "bindings/convert.h"

namespace anonymizer {

// { layers, rank, alpha, rslora, init, quantizeBase }
LoraOptions lora_options(const ObjectReader& reader);
// [{ path, weight, layers: [{ name, a, b, scale }] }]
std::vector<AdapterFile> adapter_files(const Napi::Value& value, const std::string& path);

// mergeWeights({ weights, adapters, out }): Promise<void>
Napi::Value merge_weights_value(const Napi::CallbackInfo& info);
// roundedToInt8(weight): what 8-bit storage makes of a float32 weight.
Napi::Value rounded_to_int8(const Napi::CallbackInfo& info);

}  // namespace anonymizer
