// Adapters from files: several at once over one module, or added to the weights of a file.
#pragma once

#include <string>
#include <vector>

#include "adapters/adapted_layer.h"

namespace anonymizer {

// One adapted layer of a safetensors file. Which names a format gives its tensors is known in TypeScript.
struct AdapterFileLayer {
  std::string name;  // of the module's layer
  std::string a, b;  // of the file's tensors
  double scale = 1;
};

struct AdapterFile {
  std::string path;
  double weight = 1;
  std::vector<AdapterFileLayer> layers;
};

class AppliedAdapters {
 public:
  AppliedAdapters() = default;
  // Reads the files and merges them into the module's layers; the original weights are kept. Before the module's first
  // run. ERR_ADAPTER, ERR_MODEL_WEIGHTS (damaged file), ERR_MODEL_NOT_FOUND.
  AppliedAdapters(const ScriptModule& module, const std::vector<AdapterFile>& files);
  size_t count() const { return weights_.size(); }
  // One weight for each file; 0 takes an adapter away. With all at 0 the module has its original weights, bit for bit.
  void set_weights(const std::vector<double>& weights);

 private:
  struct Place {
    AdaptedLayerRef layer;
    size_t number;  // within the layer
    size_t file;
  };
  std::vector<Place> places_;
  std::vector<double> weights_;
};

// Writes the tensors of the safetensors file `weights` to `out` with the adapters added; each keeps its type.
void merge_weights(const std::string& weights, const std::vector<AdapterFile>& files, const std::string& out);

}  // namespace anonymizer
