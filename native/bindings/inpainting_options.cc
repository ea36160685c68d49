#include "bindings/inpainting_options.h"

#include "engine/error.h"

namespace anonymizer {

InpaintingModelOptions inpainting_options(const ObjectReader& files, const ObjectReader& settings,
                                          const char* unet_key) {
  InpaintingModelOptions options;
  options.vae = model_files(files.object("vae"));
  options.unet = model_files(files.object(unet_key));
  options.glyph_encoder = model_files(files.object("glyphEncoder"));
  if (files.has("textProjection")) {
    const ObjectReader projection = files.object("textProjection");
    options.text_projection = TextProjectionOptions{projection.integer("inputWidth"), projection.integer("outputWidth"),
                                                    projection.has("weights") ? projection.string("weights") : ""};
  }
  options.masked_fill = parse_masked_fill(settings.string("maskedFill"));
  options.scaling_factor = settings.number("scalingFactor");
  const std::string prediction = settings.string("predictionType");
  if (prediction != "epsilon" && prediction != "v_prediction") {
    throw CodedError("ERR_INVALID_ARGUMENT",
                     settings.path() + ".predictionType must be epsilon or v_prediction, not '" + prediction + "'");
  }
  options.prediction = prediction == "epsilon" ? Prediction::kEpsilon : Prediction::kVelocity;
  return options;
}

}  // namespace anonymizer
