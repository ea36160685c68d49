#include "losses/discriminator.h"

#include <ATen/Functions.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

#include "engine/error.h"
#include "engine/random.h"

namespace anonymizer {
namespace {

constexpr int64_t kKernel = 4;

}  // namespace

Discriminator::Discriminator(int64_t channels, int64_t layers, uint64_t seed, c10::Device device) : layers_(layers) {
  uint64_t index = 0;
  auto add = [&](const std::string& name, const at::Tensor& value) {
    parameters_.emplace_back("main." + name, value.to(device).requires_grad_(true));
  };
  auto drawn = [&](at::IntArrayRef shape) {
    return SampleSeed{seed, 0, 0, index++}.normal(Purpose::kDiscriminator, shape) * 0.02;
  };
  auto zeros = [](int64_t size) { return at::zeros({size}, at::TensorOptions().dtype(at::kFloat)); };
  add("0.weight", drawn({channels, 3, kKernel, kKernel}));
  add("0.bias", zeros(channels));
  int64_t incoming = channels;
  for (int64_t layer = 1; layer <= layers; ++layer) {
    const int64_t outgoing = channels * std::min<int64_t>(int64_t{1} << layer, 8);
    const int64_t at = 3 * layer - 1;
    add(std::to_string(at) + ".weight", drawn({outgoing, incoming, kKernel, kKernel}));
    add(std::to_string(at + 1) + ".weight", drawn({outgoing}) + 1);
    add(std::to_string(at + 1) + ".bias", zeros(outgoing));
    incoming = outgoing;
  }
  const std::string last = std::to_string(3 * layers + 2);
  add(last + ".weight", drawn({1, incoming, kKernel, kKernel}));
  add(last + ".bias", zeros(1));
}

at::Tensor Discriminator::forward(const at::Tensor& images, bool frozen) const {
  const int64_t shortest = std::min(images.size(2), images.size(3));
  // The last two convolutions take a row and a column each.
  if ((shortest >> layers_) < 3) {
    throw CodedError("ERR_MODEL_SHAPE", "The discriminator of " + std::to_string(layers_) +
                                            " layers needs images of at least " + std::to_string(3 << layers_) +
                                            " pixels, not " + std::to_string(shortest));
  }
  size_t next = 0;
  auto take = [&]() {
    const at::Tensor& tensor = parameters_[next++].second;
    return frozen ? tensor.detach() : tensor;
  };
  auto convolve = [&](const at::Tensor& x, bool with_bias, int64_t stride) {
    const at::Tensor weight = take();
    return at::conv2d(x, weight, with_bias ? take() : at::Tensor(), {stride, stride}, {1, 1});
  };
  at::Tensor x = at::leaky_relu(convolve(images, true, 2), 0.2);
  for (int64_t layer = 1; layer <= layers_; ++layer) {
    x = convolve(x, false, layer < layers_ ? 2 : 1);
    const at::Tensor scale = take();
    const at::Tensor shift = take();
    x = at::batch_norm(x.to(at::kFloat), scale, shift, {}, {}, /*training=*/true, 0.1, 1e-5, /*cudnn_enabled=*/false);
    x = at::leaky_relu(x, 0.2);
  }
  return convolve(x, true, 1).to(at::kFloat);
}

at::Tensor hinge_discriminator_loss(const at::Tensor& real, const at::Tensor& fake) {
  return 0.5 * (at::relu(1 - real).mean() + at::relu(1 + fake).mean());
}

at::Tensor hinge_generator_loss(const at::Tensor& fake) { return -fake.mean(); }

at::Tensor adaptive_weight(const at::Tensor& reconstruction, const at::Tensor& generator,
                           const at::Tensor& last_layer) {
  auto norm = [&](const at::Tensor& loss) {
    return torch::autograd::grad({loss}, {last_layer}, {}, /*retain_graph=*/true)[0].detach().to(at::kFloat).norm();
  };
  return (norm(reconstruction) / (norm(generator) + 1e-4)).clamp(0.0, 1e4).detach();
}

}  // namespace anonymizer
