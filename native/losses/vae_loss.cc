#include "losses/vae_loss.h"

#include <ATen/Functions.h>
#include <ATen/ops/mse_loss.h>

namespace anonymizer {

Posterior Posterior::from_moments(const at::Tensor& moments) {
  auto halves = moments.to(at::kFloat).chunk(2, 1);
  return {halves[0], halves[1].clamp(-30.0, 20.0)};
}

at::Tensor Posterior::sample(const at::Tensor& noise) const { return mean + (0.5 * logvar).exp() * noise; }

at::Tensor Posterior::kl() const { return 0.5 * (mean.square() + logvar.exp() - 1.0 - logvar); }

VaeLoss vae_loss(const at::Tensor& reconstruction, const at::Tensor& target, const Posterior& posterior,
                 const at::Tensor& perceptual_per_image, const VaeLossWeights& weights) {
  const at::Tensor difference = reconstruction.to(at::kFloat) - target;
  const at::Tensor error = weights.reconstruction == Reconstruction::kMse ? difference.square() : difference.abs();
  const at::Tensor kl = posterior.kl();
  VaeLoss loss;
  if (weights.reduction == Reduction::kMean) {
    loss.recon = error.mean();
    loss.kl = kl.mean();
    if (perceptual_per_image.defined()) loss.perceptual = perceptual_per_image.mean();
  } else {
    const double batch = static_cast<double>(target.size(0));
    loss.recon = error.sum() / batch;
    loss.kl = kl.sum() / batch;
    if (perceptual_per_image.defined()) {
      const double values_per_image = static_cast<double>(target.numel()) / batch;
      loss.perceptual = perceptual_per_image.sum() * (values_per_image / batch);
    }
  }
  loss.total = loss.recon + weights.kl_weight * loss.kl;
  if (loss.perceptual.defined()) loss.total = loss.total + weights.perceptual_weight * loss.perceptual;
  return loss;
}

}  // namespace anonymizer
