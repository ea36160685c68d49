#include "engine/script_module.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <unordered_map>

#include "engine/activation_checkpoint.h"
#include "engine/error.h"
#include "io/safetensors.h"

namespace anonymizer {
namespace {

std::string shape_text(at::IntArrayRef shape) {
  std::ostringstream out;
  out << shape;
  return out.str();
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::vector<at::Tensor> tensors_of(const c10::IValue& output) {
  if (output.isTensor()) return {output.toTensor()};
  std::vector<at::Tensor> result;
  for (const auto& element : output.toTupleRef().elements()) result.push_back(element.toTensor());
  return result;
}

at::Tensor as_float32(const at::Tensor& value) { return value.is_floating_point() ? value.to(at::kFloat) : value; }

}  // namespace

bool belongs_to(const std::string& parameter, const std::string& module) {
  return parameter == module || (parameter.size() > module.size() && parameter.compare(0, module.size(), module) == 0 &&
                                 parameter[module.size()] == '.');
}

ScriptModule ScriptModule::load(const ModelFiles& files, c10::Device device, const std::string& extra_prefix) {
  ScriptModule result;
  result.path_ = files.graph;
  if (!std::ifstream(files.graph).good())
    throw CodedError("ERR_MODEL_NOT_FOUND", files.graph + " does not exist or can't be read");
  torch::jit::ExtraFilesMap extra{{"stages.txt", ""}};
  try {
    result.module_ = torch::jit::load(files.graph, c10::Device(c10::kCPU), extra);
  } catch (const c10::Error& error) {
    throw CodedError("ERR_MODEL_GRAPH",
                     files.graph + " can't be loaded: " + first_line(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    throw CodedError("ERR_MODEL_GRAPH", files.graph + " can't be loaded: " + first_line(error.what()));
  }

  if (!extra["stages.txt"].empty()) result.staged_ = parse_stages(extra["stages.txt"], files.graph);

  std::unordered_map<std::string, at::Tensor> weights;
  for (auto& [name, tensor] : read_safetensors(files.weights)) weights.emplace(name, tensor);

  torch::NoGradGuard no_grad;
  auto take = [&](const std::string& name, at::Tensor slot, bool required) {
    auto found = weights.find(name);
    if (found == weights.end()) {
      // A buffer that the graph carries itself (not emptied at export) needs no value.
      if (!required && slot.numel() > 0) return false;
      throw CodedError("ERR_MODEL_WEIGHTS", files.weights + " lacks the tensor '" + name + "' which the graph needs");
    }
    at::Tensor value = found->second;
    if (slot.numel() > 0 && slot.sizes() != value.sizes()) {
      throw CodedError("ERR_MODEL_WEIGHTS", files.weights + ": '" + name + "' has shape " + shape_text(value.sizes()) +
                                                ", the graph needs " + shape_text(slot.sizes()));
    }
    slot.set_data(as_float32(value).contiguous());
    weights.erase(found);
    return true;
  };
  for (const auto& item : result.module_.named_parameters()) take(item.name, item.value, true);
  std::vector<std::string> buffer_names;
  for (const auto& item : result.module_.named_buffers()) {
    if (take(item.name, item.value, false)) buffer_names.push_back(item.name);
  }
  for (auto& [name, tensor] : weights) {
    if (!extra_prefix.empty() && name.rfind(extra_prefix, 0) == 0) {
      result.extras_.emplace_back(name, as_float32(tensor).to(device));
      continue;
    }
    throw CodedError("ERR_MODEL_WEIGHTS",
                     files.weights + " has the tensor '" + name + "' which the graph does not know");
  }
  std::sort(result.extras_.begin(), result.extras_.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });

  result.module_.to(device);
  for (const auto& item : result.module_.named_parameters()) result.parameters_.emplace_back(item.name, item.value);
  for (const auto& item : result.module_.named_buffers()) {
    if (std::find(buffer_names.begin(), buffer_names.end(), item.name) != buffer_names.end()) {
      result.buffers_.emplace_back(item.name, item.value);
    }
  }
  return result;
}

void ScriptModule::require_method(const char* method) const {
  const auto staged = staged_.find(method);
  bool found = staged != staged_.end() || module_.find_method(method);
  if (staged != staged_.end()) {
    for (const auto& stage : staged->second.stages) found = found && module_.find_method(stage.method);
  }
  if (!found) throw CodedError("ERR_MODEL_GRAPH", path_ + " has no method '" + std::string(method) + "'");
}

at::Tensor ScriptModule::run(const char* method, std::vector<c10::IValue> inputs) {
  const auto staged = staged_.find(method);
  if (staged != staged_.end()) return run_staged(staged->second, inputs).front();
  return module_.get_method(method)(std::move(inputs)).toTensor();
}

std::vector<at::Tensor> ScriptModule::run_many(const char* method, std::vector<c10::IValue> inputs) {
  const auto staged = staged_.find(method);
  if (staged != staged_.end()) return run_staged(staged->second, inputs);
  return tensors_of(module_.get_method(method)(std::move(inputs)));
}

// Whether a gradient may be wanted from the stage's own parameters.
bool ScriptModule::trains(const Stage& stage) const {
  auto uses = [&](const std::string& name) {
    for (const auto& module : stage.modules) {
      if (name.compare(0, module.size(), module) == 0 && (name.size() == module.size() || name[module.size()] == '.'))
        return true;
    }
    return false;
  };
  for (const auto& [name, tensor] : parameters_) {
    if (tensor.requires_grad() && uses(name)) return true;
  }
  return std::any_of(trained_layers_.begin(), trained_layers_.end(), uses);
}

std::vector<at::Tensor> ScriptModule::run_staged(const StagedMethod& method, const std::vector<c10::IValue>& inputs) {
  std::map<std::string, at::Tensor> values;
  for (size_t i = 0; i < method.arguments.size(); ++i) values[method.arguments[i]] = inputs.at(i).toTensor();
  for (size_t i = 0; i < method.stages.size(); ++i) {
    const Stage& stage = method.stages[i];
    const TensorFunction part = [function = module_.get_method(stage.method)](const std::vector<at::Tensor>& taken) {
      return tensors_of(function(std::vector<c10::IValue>(taken.begin(), taken.end())));
    };
    std::vector<at::Tensor> taken;
    bool recorded = trains(stage);
    for (const auto& name : stage.inputs) {
      taken.push_back(values.at(name));
      recorded = recorded || taken.back().requires_grad();
    }
    // The last stage is the first of the backward pass: to run it again at once would save nothing.
    const bool last = i + 1 == method.stages.size();
    const auto given = recorded && !last ? checkpointed(part, taken) : part(taken);
    if (given.size() != stage.outputs.size())
      throw CodedError("ERR_MODEL_GRAPH", path_ + ": " + stage.method + " gives " + std::to_string(given.size()) +
                                              " values, its plan names " + std::to_string(stage.outputs.size()));
    for (size_t k = 0; k < given.size(); ++k) values[stage.outputs[k]] = given[k];
  }
  std::vector<at::Tensor> results;
  for (const auto& name : method.results) results.push_back(values.at(name));
  return results;
}

std::vector<NamedTensor> ScriptModule::state() const {
  std::vector<NamedTensor> result = parameters_;
  result.insert(result.end(), buffers_.begin(), buffers_.end());
  return result;
}

at::Tensor ScriptModule::parameter(const std::string& name) const {
  for (const auto& [own, tensor] : parameters_) {
    if (own == name) return tensor;
  }
  throw CodedError("ERR_MODEL_SHAPE", path_ + " has no parameter '" + name + "'");
}

void ScriptModule::set_requires_grad(bool value) {
  for (auto& [name, tensor] : parameters_) tensor.requires_grad_(value);
}

void ScriptModule::assign(const std::vector<NamedTensor>& values) { copy_by_name(state(), values, path_); }

void copy_by_name(const std::vector<NamedTensor>& targets, const std::vector<NamedTensor>& values,
                  const std::string& what) {
  torch::NoGradGuard no_grad;
  std::unordered_map<std::string, at::Tensor> by_name(values.begin(), values.end());
  // Everything is checked before anything is changed.
  for (const auto& [name, target] : targets) {
    auto found = by_name.find(name);
    if (found == by_name.end()) throw CodedError("ERR_MODEL_WEIGHTS", what + ": the tensor '" + name + "' is missing");
    if (found->second.sizes() != target.sizes()) {
      throw CodedError("ERR_MODEL_WEIGHTS", what + ": '" + name + "' has shape " + shape_text(found->second.sizes()) +
                                                ", needed is " + shape_text(target.sizes()));
    }
  }
  for (const auto& [name, target] : targets) target.copy_(by_name.at(name));
}

}  // namespace anonymizer
