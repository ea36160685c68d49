#include "losses/pixel_losses.h"

#include <ATen/Functions.h>

namespace anonymizer {
namespace {

constexpr int64_t kWindow = 7;
constexpr double kRange = 2;  // of values in [-1, 1]

at::Tensor masked_mean(const at::Tensor& values, const at::Tensor& mask) {
  const at::Tensor weight = (mask >= 0.5).to(at::kFloat);
  const at::Tensor sums = (values.mean({1}, true) * weight).sum({1, 2, 3});
  return (sums / weight.sum({1, 2, 3}).clamp_min(1)).mean();
}

}  // namespace

at::Tensor pixel_l1(const at::Tensor& painted, const at::Tensor& truth, const at::Tensor& mask) {
  return masked_mean((painted - truth).abs(), mask);
}

at::Tensor pixel_dssim(const at::Tensor& painted, const at::Tensor& truth, const at::Tensor& mask) {
  auto window = [](const at::Tensor& x) { return at::avg_pool2d(x, {kWindow, kWindow}, {1, 1}); };
  const double c1 = (0.01 * kRange) * (0.01 * kRange);
  const double c2 = (0.03 * kRange) * (0.03 * kRange);
  const at::Tensor x = window(painted), y = window(truth);
  const at::Tensor xx = window(painted.square()) - x.square();
  const at::Tensor yy = window(truth.square()) - y.square();
  const at::Tensor xy = window(painted * truth) - x * y;
  const at::Tensor ssim = (2 * x * y + c1) * (2 * xy + c2) / ((x.square() + y.square() + c1) * (xx + yy + c2));
  const int64_t edge = kWindow / 2;
  const at::Tensor middles = mask.slice(2, edge, mask.size(2) - edge).slice(3, edge, mask.size(3) - edge);
  return masked_mean(1 - ssim, middles);
}

}  // namespace anonymizer
