#include "adapters/adapted_layer.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <sstream>

#include "adapters/low_rank_ops.h"
#include "engine/error.h"

namespace anonymizer {
namespace {

namespace jit = torch::jit;

constexpr const char* kAttribute = "adapted_layer";

// scale·weight·B·A in the shape of the layer's weight.
at::Tensor delta(const LowRank& pair, at::IntArrayRef shape) {
  return at::matmul(pair.b.flatten(1), pair.a.flatten(1)).mul_(pair.scale * pair.weight).view(shape);
}

// The operators through which the graph uses the layer's weight; empty when one of them can't be replaced.
std::vector<jit::Node*> weight_users(const jit::Module& layer) {
  std::vector<jit::Node*> result;
  for (const auto& method : layer.get_methods()) {
    method.function().ensure_defined();
    for (jit::Node* node : method.graph()->nodes()) {
      if (node->kind() != jit::prim::GetAttr || node->s(jit::attr::name) != "weight") continue;
      for (const auto& use : node->output()->uses()) {
        const bool linear = use.user->kind() == jit::aten::linear;
        const bool convolution = use.user->kind() == jit::aten::_convolution;
        if ((!linear && !convolution) || use.offset != 1) return {};
        if (convolution) {
          const auto transposed = jit::toIValue(use.user->input(6));
          const auto groups = jit::toIValue(use.user->input(8));
          if (!transposed || transposed->toBool() || !groups || groups->toInt() != 1) return {};
        }
        result.push_back(use.user);
      }
    }
  }
  return result;
}

bool has_weight(const jit::Module& module) {
  if (!module.hasattr("weight") || !module.attr("weight").isTensor()) return false;
  const int64_t dimensions = module.attr("weight").toTensor().dim();
  return dimensions == 2 || dimensions == 4;
}

void replace(jit::Node* node, jit::Graph& graph) {
  const bool linear = node->kind() == jit::aten::linear;
  const jit::WithInsertPoint before(node);
  jit::Value* layer = graph.insertGetAttr(graph.inputs().at(0), kAttribute);
  std::vector<jit::Value*> inputs{node->input(0), layer, node->input(2)};
  if (!linear) inputs.insert(inputs.end(), {node->input(3), node->input(4), node->input(5)});
  jit::Node* adapted = graph.insertNode(graph.create(
      c10::Symbol::fromQualString(adapted_operators() + (linear ? "::adapted_linear" : "::adapted_conv2d")), inputs));
  adapted->output()->setType(node->output()->type());
  node->output()->replaceAllUsesWith(adapted->output());
  node->destroy();
}

}  // namespace

void AdaptedLayer::check(const LowRank& pair, const std::string& what) const {
  const auto shape = quantized_.defined() ? quantized_.values.sizes() : base_.sizes();
  if ((shape.size() == 2 || shape.size() == 4) && pair.a.dim() > 0 && pair.a.size(0) > 0) {
    auto a = shape.vec();
    a[0] = pair.a.size(0);
    std::vector<int64_t> b(shape.size(), 1);
    b[0] = shape[0];
    b[1] = a[0];
    if (pair.a.sizes() == at::IntArrayRef(a) && pair.b.sizes() == at::IntArrayRef(b)) return;
  }
  std::ostringstream message;
  message << what << ": A " << pair.a.sizes() << " and B " << pair.b.sizes() << " don't fit a weight of " << shape;
  throw CodedError("ERR_ADAPTER", message.str());
}

size_t AdaptedLayer::apply(LowRank pair) {
  applied_.push_back(std::move(pair));
  return applied_.size() - 1;
}

void AdaptedLayer::quantize() {
  if (quantized_.defined()) return;
  at::NoGradGuard no_grad;
  quantized_ = quantize_int8(base_);
  // Every holder of the weight shares this tensor: its memory goes at once.
  base_.set_data(at::empty({0}, base_.options()));
}

int64_t AdaptedLayer::quantized_bytes() const {
  if (!quantized_.defined()) return 0;
  return static_cast<int64_t>(quantized_.values.nbytes() + quantized_.scales.nbytes());
}

void AdaptedLayer::merge() {
  merged_.reset();
  merged_ = weight();
}

at::Tensor AdaptedLayer::weight() const {
  if (merged_.defined()) return merged_;
  at::NoGradGuard no_grad;
  at::Tensor result = quantized_.defined() ? quantized_.dense() : base_;
  bool own = quantized_.defined();
  auto add = [&](const LowRank& pair) {
    if (!pair.defined() || pair.weight == 0) return;
    const at::Tensor change = delta(pair, result.sizes());
    result = own ? result.add_(change) : result + change;
    own = true;
  };
  for (const auto& pair : applied_) add(pair);
  add(trained_);
  return result.detach();
}

std::vector<std::string> adaptable_layers(const ScriptModule& module) {
  std::vector<std::string> result;
  for (const auto& item : module.module().named_modules()) {
    if (has_weight(item.value) && !weight_users(item.value).empty()) result.push_back(item.name);
  }
  std::sort(result.begin(), result.end());
  return result;
}

AdaptedLayerRef adapt_layer(const ScriptModule& module, const std::string& name) {
  jit::Module layer = module.module();
  std::istringstream parts(name);
  for (std::string part; std::getline(parts, part, '.');) {
    if (!layer.hasattr(part) || !layer.attr(part).isModule())
      throw CodedError("ERR_ADAPTER", "The model has no layer '" + name + "'");
    layer = layer.attr(part).toModule();
  }
  if (layer.hasattr(kAttribute)) return layer.attr(kAttribute).toCustomClass<AdaptedLayer>();
  if (!has_weight(layer)) throw CodedError("ERR_ADAPTER", "'" + name + "' is no Linear or Conv2d layer");
  const auto users = weight_users(layer);
  if (users.empty())
    throw CodedError("ERR_ADAPTER", "The layer '" + name + "' can't be adapted: its graph is of another kind");
  adapted_operators();
  auto result = c10::make_intrusive<AdaptedLayer>(layer.attr("weight").toTensor());
  layer.register_attribute(kAttribute, c10::getCustomClassType<AdaptedLayerRef>(), c10::IValue(result));
  for (jit::Node* node : users) replace(node, *node->owningGraph());
  return result;
}

}  // namespace anonymizer
