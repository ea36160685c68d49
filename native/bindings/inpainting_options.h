#pragma once

#include "bindings/convert.h"
#include "diffusion/inpainting_model.h"

namespace anonymizer {

// files: { vae, glyphEncoder, textProjection?, [unet_key] }; settings: { maskedFill, scalingFactor, predictionType }.
InpaintingModelOptions inpainting_options(const ObjectReader& files, const ObjectReader& settings,
                                          const char* unet_key);

}  // namespace anonymizer
