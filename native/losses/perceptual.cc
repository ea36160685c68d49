#include "losses/perceptual.h"

#include "engine/error.h"

namespace anonymizer {

Perceptual Perceptual::load(const ModelFiles& files, c10::Device device, PerceptualKind kind) {
  Perceptual result;
  result.kind_ = kind;
  result.network_ = ScriptModule::load(files, device, "lin");
  result.network_.require_method("forward");
  result.network_.set_requires_grad(false);
  if (kind == PerceptualKind::kLpips) {
    for (int layer = 0; layer < 5; ++layer) {
      const std::string name = "lin" + std::to_string(layer) + ".weight";
      for (const auto& [own, tensor] : result.network_.extras()) {
        if (own == name) result.linear_.push_back(tensor.reshape({1, -1, 1, 1}));
      }
    }
    if (result.linear_.size() != 5)
      throw CodedError("ERR_MODEL_WEIGHTS", files.weights + " lacks lin0.weight … lin4.weight, which LPIPS needs");
  }
  const auto options = at::TensorOptions().dtype(at::kFloat);
  auto per_channel = [&](double r, double g, double b) {
    return at::tensor({r, g, b}, options).reshape({1, 3, 1, 1}).to(device);
  };
  if (kind == PerceptualKind::kLpips) {
    result.shift_ = per_channel(-.030, -.088, -.188);
    result.scale_ = per_channel(.458, .448, .450);
  } else {
    // ImageNet's mean and deviation are for [0, 1]; the input is in [-1, 1].
    result.shift_ = per_channel(2 * .485 - 1, 2 * .456 - 1, 2 * .406 - 1);
    result.scale_ = per_channel(2 * .229, 2 * .224, 2 * .225);
  }
  result.loaded_ = true;
  return result;
}

std::vector<at::Tensor> Perceptual::features(const at::Tensor& image) {
  auto layers = network_.run_many("forward", {(image - shift_) / scale_});
  if (layers.size() != 5)
    throw CodedError("ERR_MODEL_GRAPH",
                     "The perceptual network must return 5 layers, not " + std::to_string(layers.size()));
  for (auto& layer : layers) {
    layer = layer.to(at::kFloat);
    // LPIPS adds its 1e-10 outside the root.
    if (kind_ == PerceptualKind::kLpips) layer = layer / (layer.square().sum(1, true).sqrt() + 1e-10);
  }
  return layers;
}

at::Tensor Perceptual::distance(const at::Tensor& image, const at::Tensor& target) {
  std::vector<at::Tensor> wanted;
  {
    torch::NoGradGuard no_grad;
    wanted = features(target.to(at::kFloat));
  }
  const auto got = features(image.to(at::kFloat));
  at::Tensor total;
  for (size_t layer = 0; layer < got.size(); ++layer) {
    const at::Tensor squared = (got[layer] - wanted[layer]).square();
    const at::Tensor value =
        kind_ == PerceptualKind::kLpips ? (squared * linear_[layer]).sum(1).mean({1, 2}) : squared.mean({1, 2, 3});
    total = total.defined() ? total + value : value;
  }
  return total;
}

}  // namespace anonymizer
