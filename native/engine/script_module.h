// A TorchScript graph and its weights, which live in a safetensors file of their own.
#pragma once

#include <torch/script.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/stages.h"

namespace anonymizer {

// `graph` may be a staged graph: then the module runs piece by piece and checkpoints activations where gradients are
// recorded.
struct ModelFiles {
  std::string graph;
  std::string weights;
};

using NamedTensor = std::pair<std::string, at::Tensor>;

// Whether a parameter is the module's own or of one below it, by its name.
bool belongs_to(const std::string& parameter, const std::string& module);

class ScriptModule {
 public:
  ScriptModule() = default;
  // Loads the graph, sets every parameter and buffer from the weights file (floating point values become float32) and
  // moves the module to the device. Tensors of the file whose name starts with `extra_prefix` need no place in the
  // graph and are kept in extras(). ERR_MODEL_GRAPH, ERR_MODEL_WEIGHTS, ERR_MODEL_NOT_FOUND.
  static ScriptModule load(const ModelFiles& files, c10::Device device, const std::string& extra_prefix = "");

  at::Tensor run(const char* method, std::vector<c10::IValue> inputs);
  // Of a method that gives several tensors.
  std::vector<at::Tensor> run_many(const char* method, std::vector<c10::IValue> inputs);
  void require_method(const char* method) const;
  // The module itself, for what changes its graph before the first run.
  const torch::jit::Module& module() const { return module_; }

  const std::vector<NamedTensor>& parameters() const { return parameters_; }
  // Parameters and persistent buffers: everything that a weights file holds.
  std::vector<NamedTensor> state() const;
  const std::vector<NamedTensor>& extras() const { return extras_; }
  // ERR_MODEL_SHAPE when there is none such.
  at::Tensor parameter(const std::string& name) const;
  void set_requires_grad(bool value);
  // A layer whose gradients go to tensors that are none of the parameters.
  void mark_trained(const std::string& layer) { trained_layers_.push_back(layer); }
  // Copies values of the same names and shapes into the module in place. ERR_MODEL_WEIGHTS when they don't fit.
  void assign(const std::vector<NamedTensor>& values);

 private:
  std::vector<at::Tensor> run_staged(const StagedMethod& method, const std::vector<c10::IValue>& inputs);
  bool trains(const Stage& stage) const;

  torch::jit::Module module_;
  std::string path_;
  std::map<std::string, StagedMethod> staged_;
  std::vector<NamedTensor> parameters_;
  std::vector<NamedTensor> buffers_;
  std::vector<NamedTensor> extras_;
  std::vector<std::string> trained_layers_;
};

// Copies `values` into `targets` in place by name; every target must be there with its shape. ERR_MODEL_WEIGHTS.
void copy_by_name(const std::vector<NamedTensor>& targets, const std::vector<NamedTensor>& values,
                  const std::string& what);

}  // namespace anonymizer
