// The safetensors file format: 8 bytes little-endian header length, a JSON header {name: {dtype, shape, data_offsets}},
// then the tensors' bytes (format description in huggingface/safetensors).
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace anonymizer {

// Everything in the file, on the CPU. Offsets, shapes and sizes are checked against the file's real size.
// ERR_MODEL_NOT_FOUND, ERR_MODEL_WEIGHTS.
std::vector<std::pair<std::string, at::Tensor>> read_safetensors(const std::string& path);

// Writes and fsyncs. Tensors are brought to the CPU one by one. ERR_OUTPUT.
void write_safetensors(const std::string& path, const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata = {});

}  // namespace anonymizer
