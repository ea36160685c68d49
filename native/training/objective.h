// What is trained: the modules, their loss, and how to look at the result. One training loop serves all objectives.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/abort_flag.h"
#include "engine/random.h"
#include "engine/script_module.h"
#include "optim/adamw.h"
#include "training/batch.h"

namespace anonymizer {

struct LossTerm {
  std::string name;
  at::Tensor value;   // unweighted scalar
  double weight = 1;  // total = Σ weight·value
};

struct Loss {
  at::Tensor total;
  std::vector<LossTerm> terms;
  // Of an adversary, with a backward pass and an optimizer of its own; usually undefined.
  at::Tensor discriminator;
};

// Over the elements of a batch's unscaled latents: how many, Σ mean, Σ mean², Σ variance of the posterior.
struct LatentSums {
  double count = 0;
  double mean = 0;
  double squares = 0;
  double variance = 0;
};

// A set of tensors with a file of its own in checkpoints and exports.
struct StatePart {
  std::string file;  // "model.safetensors"
  std::vector<NamedTensor> tensors;
};

class Objective {
 public:
  virtual ~Objective() = default;
  // Every parameter that could be trained, with unique names.
  virtual std::vector<NamedTensor> parameters() const = 0;
  virtual std::vector<StatePart> state() const = 0;
  // The module below adapters: its weights, and how many bytes they take. Nothing where parameters() are its own.
  virtual std::vector<NamedTensor> adapted_base() const { return {}; }
  virtual int64_t adapted_base_bytes() const { return 0; }
  virtual Loss loss(const PreparedBatch& batch, const StepContext& context) = 0;
  // The adversary's, null where there is none.
  virtual AdamW* discriminator_optimizer() { return nullptr; }
  // ERR_INVALID_ARGUMENT where no latents are trained.
  virtual LatentSums latent_sums(const PreparedBatch& batch);
  // Images [B, 3, H, W] in [-1, 1] to look at.
  virtual at::Tensor preview(const PreparedBatch& batch, int64_t steps, const StepContext& context,
                             const AbortFlag& abort) = 0;
  // What the frozen networks make of the batch (of its images with masks, of its glyphs), to be given back as
  // Batch::cached. ERR_INVALID_ARGUMENT where nothing of the kind is frozen.
  virtual CachedInputs encode(const PreparedBatch& batch);
};

// ERR_INVALID_ARGUMENT for a batch of cached latents, where pixels are needed.
void require_images(const PreparedBatch& batch);

// Normal noise of the batch: one sample's from its own seed, or `given` where that is defined.
at::Tensor batch_noise(const at::Tensor& given, const PreparedBatch& batch, const StepContext& context, Purpose purpose,
                       at::IntArrayRef shape);

}  // namespace anonymizer
