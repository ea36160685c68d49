// The adversary of the autoencoder: a patch discriminator (Isola et al. 2017, pix2pix) and its losses as in VQGAN
// (Esser et al. 2021).
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace anonymizer {

// Convolutions 4×4: one of stride 2, then `layers` with batch normalisation (all of stride 2 but the last), then one to
// a single channel. Batch statistics only: it is never used outside training.
class Discriminator {
 public:
  // Convolutions from N(0, 0.02), scales from N(1, 0.02), biases 0.
  Discriminator(int64_t channels, int64_t layers, uint64_t seed, c10::Device device);
  // images [B, 3, H, W] in [-1, 1] → logits [B, 1, h, w], high for real. `frozen`: no gradient to the own weights.
  at::Tensor forward(const at::Tensor& images, bool frozen) const;
  // main.0.weight, main.0.bias, … as in the published implementation.
  const std::vector<std::pair<std::string, at::Tensor>>& parameters() const { return parameters_; }

 private:
  int64_t layers_;
  std::vector<std::pair<std::string, at::Tensor>> parameters_;
};

// ½(mean(relu(1 − real)) + mean(relu(1 + fake)))
at::Tensor hinge_discriminator_loss(const at::Tensor& real, const at::Tensor& fake);
// −mean(fake)
at::Tensor hinge_generator_loss(const at::Tensor& fake);
// ‖∂reconstruction/∂last‖ / (‖∂generator/∂last‖ + 1e-4), at most 1e4, without gradient: both losses pull the last layer
// equally.
at::Tensor adaptive_weight(const at::Tensor& reconstruction, const at::Tensor& generator, const at::Tensor& last_layer);

}  // namespace anonymizer
