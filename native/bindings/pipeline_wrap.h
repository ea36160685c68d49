#pragma once

#include <memory>

#include "adapters/applied_adapters.h"
#include "bindings/job_runner.h"
#include "bindings/napi_setup.h"
#include "diffusion/inpainting_model.h"

namespace anonymizer {

class PipelineWrap : public Napi::ObjectWrap<PipelineWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  // createPipeline(options): Promise<NativePipeline>
  static Napi::Value create(const Napi::CallbackInfo& info);
  explicit PipelineWrap(const Napi::CallbackInfo& info);
  void Finalize(Napi::Env env) override;

  struct State {
    std::unique_ptr<InpaintingModel> model;
    AppliedAdapters adapters;
    std::unique_ptr<JobRunner> runner;
    c10::Device device = c10::Device(c10::kCPU);
    bool bf16 = false;
  };

 private:
  Napi::Value generate(const Napi::CallbackInfo& info);
  Napi::Value set_adapter_weights(const Napi::CallbackInfo& info);
  Napi::Value abort(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  std::shared_ptr<State> state_;
  bool closed_ = false;
};

}  // namespace anonymizer
