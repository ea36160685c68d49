#include "adapters/low_rank_ops.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

namespace anonymizer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

struct Convolution {
  std::vector<int64_t> stride, padding, dilation;
  at::Tensor run(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias) const {
    return at::conv2d(x, weight, bias, stride, padding, dilation);
  }
  std::tuple<at::Tensor, at::Tensor> backward(const at::Tensor& gradient, const at::Tensor& x, const at::Tensor& weight,
                                              bool for_x, bool for_weight) const {
    const auto [x_gradient, weight_gradient, none] =
        at::convolution_backward(gradient, x, weight, std::nullopt, stride, padding, dilation, /*transposed=*/false,
                                 {0, 0}, /*groups=*/1, {for_x, for_weight, false});
    return {x_gradient, weight_gradient};
  }
};

// The 1×1 convolution by B.
const Convolution kPointwise{{1, 1}, {0, 0}, {1, 1}};

struct Call {
  AdaptedLayerRef layer;
  std::optional<at::Tensor> bias;
  Convolution convolution;  // of a Conv2d
};

// A and B as autograd's functions take tensors that may be missing.
using MaybeTensor = std::optional<at::Tensor>;

MaybeTensor maybe(const at::Tensor& tensor) { return tensor.defined() ? MaybeTensor(tensor) : std::nullopt; }

void keep(AutogradContext* context, const at::Tensor& x, const MaybeTensor& a, const MaybeTensor& b, const Call& call) {
  // Without a trained pair x has no part in any gradient.
  if (a) context->save_for_backward({x, *a, *b});
  context->saved_data["layer"] = c10::IValue::make_capsule(call.layer);
  context->saved_data["type"] = x.scalar_type();
}

AdaptedLayerRef layer_of(AutogradContext* context) {
  return c10::static_intrusive_pointer_cast<AdaptedLayer>(context->saved_data["layer"].toCapsule());
}

class AdaptedLinear : public Function<AdaptedLinear> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const MaybeTensor& a, const MaybeTensor& b,
                            const Call& call) {
    keep(context, x, a, b, call);
    return at::linear(x, call.layer->weight(), call.bias);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const AdaptedLayerRef layer = layer_of(context);
    // In the type that the forward pass computed in.
    const at::Tensor& gradient = gradients[0];
    const auto type = gradient.scalar_type();
    variable_list result(4);
    if (context->needs_input_grad(0))
      result[0] = at::matmul(gradient, layer->weight().to(type)).to(context->saved_data["type"].toScalarType());
    if (saved.empty()) return result;
    const at::Tensor& a = saved[1];
    const at::Tensor& b = saved[2];
    const at::Tensor rows = gradient.reshape({-1, gradient.size(-1)});
    const at::Tensor inputs = saved[0].reshape({-1, saved[0].size(-1)}).to(type);
    const double scale = layer->trained().scale * layer->trained().weight;
    result[1] = at::matmul(at::matmul(rows, b.to(type)).t(), inputs).to(a.scalar_type()).mul_(scale);
    result[2] = at::matmul(rows.t(), at::matmul(inputs, a.to(type).t())).to(b.scalar_type()).mul_(scale);
    return result;
  }
};

class AdaptedConv2d : public Function<AdaptedConv2d> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const MaybeTensor& a, const MaybeTensor& b,
                            const Call& call) {
    keep(context, x, a, b, call);
    context->saved_data["stride"] = call.convolution.stride;
    context->saved_data["padding"] = call.convolution.padding;
    context->saved_data["dilation"] = call.convolution.dilation;
    context->saved_data["shape"] = x.sizes().vec();
    return call.convolution.run(x, call.layer->weight(), call.bias);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const AdaptedLayerRef layer = layer_of(context);
    const at::Tensor& gradient = gradients[0];
    const auto type = gradient.scalar_type();
    const Convolution convolution{context->saved_data["stride"].toIntVector(),
                                  context->saved_data["padding"].toIntVector(),
                                  context->saved_data["dilation"].toIntVector()};
    variable_list result(4);
    if (context->needs_input_grad(0)) {
      // The gradient of x depends on its shape alone: an expanded scalar stands for the values.
      const at::Tensor shape_of_x = saved.empty()
                                        ? gradient.new_zeros({1}).expand(context->saved_data["shape"].toIntVector())
                                        : saved[0].to(type);
      result[0] = std::get<0>(convolution.backward(gradient, shape_of_x, layer->weight().to(type), true, false))
                      .to(context->saved_data["type"].toScalarType());
    }
    if (saved.empty()) return result;
    const at::Tensor& a = saved[1];
    const at::Tensor& b = saved[2];
    const at::Tensor x = saved[0].to(type);
    const at::Tensor hidden = convolution.run(x, a.to(type), std::nullopt);
    const auto [hidden_gradient, b_gradient] = kPointwise.backward(gradient, hidden, b.to(type), true, true);
    const at::Tensor a_gradient = std::get<1>(convolution.backward(hidden_gradient, x, a.to(type), false, true));
    const double scale = layer->trained().scale * layer->trained().weight;
    result[1] = a_gradient.to(a.scalar_type()).mul_(scale);
    result[2] = b_gradient.to(b.scalar_type()).mul_(scale);
    return result;
  }
};

bool needs_backward(const AdaptedLayerRef& layer) { return at::GradMode::is_enabled() && layer->transient(); }

}  // namespace

at::Tensor adapted_linear(const at::Tensor& x, const AdaptedLayerRef& layer, const std::optional<at::Tensor>& bias) {
  if (!needs_backward(layer)) return at::linear(x, layer->weight(), bias);
  return AdaptedLinear::apply(x, maybe(layer->trained().a), maybe(layer->trained().b), Call{layer, bias, {}});
}

at::Tensor adapted_conv2d(const at::Tensor& x, const AdaptedLayerRef& layer, const std::optional<at::Tensor>& bias,
                          std::vector<int64_t> stride, std::vector<int64_t> padding, std::vector<int64_t> dilation) {
  const Convolution convolution{std::move(stride), std::move(padding), std::move(dilation)};
  if (!needs_backward(layer)) return convolution.run(x, layer->weight(), bias);
  return AdaptedConv2d::apply(x, maybe(layer->trained().a), maybe(layer->trained().b), Call{layer, bias, convolution});
}

const std::string& adapted_operators() {
  struct Registration {
    std::string name = "anonymizer_" + std::to_string(reinterpret_cast<uintptr_t>(&kPointwise));
    torch::Library library{torch::Library::DEF, name, std::nullopt, __FILE__, __LINE__};
    Registration() {
      library.class_<AdaptedLayer>("AdaptedLayer");
      library.def("adapted_linear", &adapted_linear);
      library.def("adapted_conv2d", &adapted_conv2d);
    }
  };
  static const Registration registration;
  return registration.name;
}

}  // namespace anonymizer
