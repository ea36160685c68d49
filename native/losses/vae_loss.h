// The variational autoencoder's loss: reconstruction + kl_weight·KL + perceptual_weight·perceptual.
#pragma once

#include <ATen/core/Tensor.h>

namespace anonymizer {

// How terms are made into one number. They can't be mixed: a summed KL beside a mean reconstruction weighs some 2·10⁸
// times what it does in latent-diffusion.
enum class Reduction {
  kMean,  // every term averaged over its own elements
  kSum,   // sums over pixels and latents, divided by the batch (latent-diffusion, Rombach et al. 2022)
};

enum class Reconstruction { kMse, kL1 };

// Diagonal Gaussian q(z|x) = N(mean, exp(logvar)); logvar clamped to [-30, 20].
struct Posterior {
  at::Tensor mean;
  at::Tensor logvar;
  // moments [B, 2C, h, w] = [mean, logvar]
  static Posterior from_moments(const at::Tensor& moments);
  // z = mean + exp(½·logvar)·noise
  at::Tensor sample(const at::Tensor& noise) const;
  // KL(q ‖ N(0, I)) per element: ½(mean² + exp(logvar) − 1 − logvar), the shape of mean.
  // Kingma & Welling 2014, appendix B.
  at::Tensor kl() const;
};

struct VaeLossWeights {
  Reduction reduction = Reduction::kMean;
  Reconstruction reconstruction = Reconstruction::kMse;
  double kl_weight = 0;
  double perceptual_weight = 0;
};

struct VaeLoss {
  at::Tensor total;  // scalar, with gradient
  at::Tensor recon;  // unweighted terms under the reduction
  at::Tensor kl;
  at::Tensor perceptual;  // undefined when not computed
};

// reconstruction, target: [B, 3, H, W] in [-1, 1]. perceptual_per_image: [B] or undefined.
// Under kSum the perceptual term of an image counts once for each of its 3·H·W values, as latent-diffusion's broadcast
// does.
VaeLoss vae_loss(const at::Tensor& reconstruction, const at::Tensor& target, const Posterior& posterior,
                 const at::Tensor& perceptual_per_image, const VaeLossWeights& weights);

}  // namespace anonymizer
