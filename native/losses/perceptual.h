// Distance of two images in the features of a VGG16, with gradient to the first.
#pragma once

#include "engine/script_module.h"

namespace anonymizer {

enum class PerceptualKind {
  kLpips,  // LPIPS v0.1 (Zhang et al. 2018): channel-normalised features, 1×1 linear weights
  kVgg16,  // mean squared error of the plain features, ImageNet normalisation
};

class Perceptual {
 public:
  Perceptual() = default;
  // Graph: forward(x) → relu1_2, 2_2, 3_3, 4_3, 5_3. LPIPS needs lin0.weight … lin4.weight in the weights file.
  static Perceptual load(const ModelFiles& files, c10::Device device, PerceptualKind kind);
  bool loaded() const { return loaded_; }
  // image, target: [B, 3, H, W] in [-1, 1]. Returns [B].
  at::Tensor distance(const at::Tensor& image, const at::Tensor& target);

 private:
  std::vector<at::Tensor> features(const at::Tensor& image);

  bool loaded_ = false;
  PerceptualKind kind_ = PerceptualKind::kLpips;
  ScriptModule network_;
  std::vector<at::Tensor> linear_;
  at::Tensor shift_, scale_;
};

}  // namespace anonymizer
