#include "training/objective.h"

#include <sstream>

#include "engine/random.h"

namespace anonymizer {

LatentSums Objective::latent_sums(const PreparedBatch&) {
  throw CodedError("ERR_INVALID_ARGUMENT", "latentSums needs a trainer of kind vae");
}

CachedInputs Objective::encode(const PreparedBatch&) {
  throw CodedError("ERR_INVALID_ARGUMENT", "This training has no frozen encoders whose results could be kept");
}

void require_images(const PreparedBatch& batch) {
  if (!batch.images.defined())
    throw CodedError("ERR_INVALID_ARGUMENT", "This needs a batch of images, not of cached latents");
}

at::Tensor batch_noise(const at::Tensor& given, const PreparedBatch& batch, const StepContext& context, Purpose purpose,
                       at::IntArrayRef shape) {
  if (given.defined()) {
    if (given.sizes() != shape) {
      std::ostringstream message;
      message << "The given noise has shape " << given.sizes() << ", the latents have " << shape;
      throw CodedError("ERR_INVALID_ARGUMENT", message.str());
    }
    return given;
  }
  std::vector<at::Tensor> parts;
  for (const uint64_t id : batch.ids) {
    parts.push_back(SampleSeed{context.seed, context.step, context.rank, id}.normal(purpose, shape.slice(1)));
  }
  return at::stack(parts).to(batch.device);
}

}  // namespace anonymizer
