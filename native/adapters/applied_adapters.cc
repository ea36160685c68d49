#include "adapters/applied_adapters.h"

#include <unordered_map>

#include "engine/error.h"
#include "io/safetensors.h"

namespace anonymizer {
namespace {

using Tensors = std::unordered_map<std::string, at::Tensor>;

Tensors read(const std::string& path) {
  Tensors result;
  for (auto& [name, tensor] : read_safetensors(path)) result.emplace(name, tensor);
  return result;
}

// The pair of one layer, on the device and of the rank of the weight's dimensions: a 1×1 convolution may be stored as a
// matrix and the other way round.
LowRank pair_of(const Tensors& tensors, const AdapterFile& file, const AdapterFileLayer& layer,
                const at::Tensor& weight) {
  auto find = [&](const std::string& name) {
    const auto found = tensors.find(name);
    if (found == tensors.end()) throw CodedError("ERR_ADAPTER", file.path + " lacks the tensor '" + name + "'");
    at::Tensor value = found->second.to(weight.device(), at::kFloat);
    if (value.dim() == 4 && weight.dim() == 2 && value.size(2) == 1 && value.size(3) == 1) return value.flatten(1);
    if (value.dim() == 2 && weight.dim() == 4) return value.unsqueeze(2).unsqueeze(3);
    return value;
  };
  LowRank pair;
  pair.a = find(layer.a);
  pair.b = find(layer.b);
  pair.scale = layer.scale;
  pair.weight = file.weight;
  return pair;
}

std::string place_in(const AdapterFile& file, const AdapterFileLayer& layer) { return file.path + ": " + layer.name; }

}  // namespace

AppliedAdapters::AppliedAdapters(const ScriptModule& module, const std::vector<AdapterFile>& files) {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < files.size(); ++i) {
    const Tensors tensors = read(files[i].path);
    for (const auto& entry : files[i].layers) {
      const AdaptedLayerRef layer = adapt_layer(module, entry.name);
      LowRank pair = pair_of(tensors, files[i], entry, layer->weight());
      layer->check(pair, place_in(files[i], entry));
      places_.push_back({layer, layer->apply(std::move(pair)), i});
    }
    weights_.push_back(files[i].weight);
  }
  set_weights(weights_);
}

void AppliedAdapters::set_weights(const std::vector<double>& weights) {
  if (weights.size() != weights_.size()) {
    throw CodedError("ERR_INVALID_ARGUMENT", std::to_string(weights.size()) + " weights were given for " +
                                                 std::to_string(weights_.size()) + " adapters");
  }
  weights_ = weights;
  for (const auto& place : places_) {
    place.layer->unmerge();
    place.layer->set_weight(place.number, weights[place.file]);
  }
  for (const auto& place : places_) place.layer->merge();
}

void merge_weights(const std::string& weights, const std::vector<AdapterFile>& files, const std::string& out) {
  at::NoGradGuard no_grad;
  auto tensors = read_safetensors(weights);
  std::unordered_map<std::string, at::Tensor*> by_name;
  for (auto& [name, tensor] : tensors) by_name.emplace(name, &tensor);
  // Layers are gathered first, so that each sum is rounded to the stored type once.
  std::unordered_map<std::string, AdaptedLayerRef> layers;
  for (const auto& file : files) {
    const Tensors own = read(file.path);
    for (const auto& entry : file.layers) {
      const auto found = by_name.find(entry.name + ".weight");
      if (found == by_name.end())
        throw CodedError("ERR_ADAPTER", place_in(file, entry) + ": " + weights + " has no such layer");
      AdaptedLayerRef& layer = layers[entry.name];
      if (!layer) layer = c10::make_intrusive<AdaptedLayer>(found->second->to(at::kFloat));
      LowRank pair = pair_of(own, file, entry, *found->second);
      layer->check(pair, place_in(file, entry));
      layer->apply(std::move(pair));
    }
  }
  for (const auto& [name, layer] : layers) {
    at::Tensor& tensor = *by_name.at(name + ".weight");
    tensor = layer->weight().to(tensor.scalar_type());
  }
  write_safetensors(out, tensors, {{"format", "pt"}});
}

}  // namespace anonymizer
