#include "engine/activation_checkpoint.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "engine/device.h"

namespace anonymizer {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Part : torch::CustomClassHolder {
  TensorFunction run;
  AutocastState autocast;
};

struct CheckpointFunction : torch::autograd::Function<CheckpointFunction> {
  // A TensorList: tensors in a vector would not be seen as inputs.
  static variable_list forward(AutogradContext* context, const c10::intrusive_ptr<Part>& part, at::TensorList inputs) {
    // Casts made here have no gradient; they must not be found again by a part that records.
    const AutocastCacheOff no_cache;
    context->saved_data["part"] = c10::IValue::make_capsule(part);
    // The first input only makes the result require a gradient.
    const variable_list arguments(inputs.begin() + 1, inputs.end());
    context->save_for_backward(arguments);
    return part->run(arguments);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto part = c10::static_intrusive_pointer_cast<Part>(context->saved_data["part"].toCapsule());
    variable_list inputs;
    for (const auto& saved : context->get_saved_variables())
      inputs.push_back(saved.detach().requires_grad_(saved.requires_grad()));
    {
      const at::AutoGradMode grad(true);
      variable_list outputs;
      {
        const AutocastScope autocast(part->autocast);
        outputs = part->run(inputs);
      }
      variable_list roots, root_gradients;
      for (size_t i = 0; i < outputs.size(); ++i) {
        if (!outputs[i].requires_grad() || !gradients[i].defined()) continue;
        roots.push_back(outputs[i]);
        root_gradients.push_back(gradients[i]);
      }
      // Gradients of weights go straight to them.
      if (!roots.empty()) torch::autograd::backward(roots, root_gradients);
    }
    // One for the part, one for the first input, then the others'.
    variable_list result(2);
    for (const auto& input : inputs) result.push_back(input.grad());
    return result;
  }
};

}  // namespace

std::vector<at::Tensor> checkpointed(const TensorFunction& part, const std::vector<at::Tensor>& inputs) {
  if (!at::GradMode::is_enabled()) return part(inputs);
  auto holder = c10::make_intrusive<Part>();
  holder->run = part;
  holder->autocast = AutocastState::current(inputs.front().device().type());
  variable_list all{at::zeros({}).requires_grad_(true)};
  all.insert(all.end(), inputs.begin(), inputs.end());
  return CheckpointFunction::apply(holder, at::TensorList(all));
}

}  // namespace anonymizer
