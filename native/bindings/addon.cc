// What JavaScript sees of the addon; typed in src/addon/native-types.ts.
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <torch/headeronly/version.h>

#include "bindings/adapter_options.h"
#include "bindings/convert.h"
#include "bindings/failure.h"
#include "bindings/job_runner.h"
#include "bindings/pipeline_wrap.h"
#include "bindings/tensor_wrap.h"
#include "bindings/trainer_wrap.h"
#include "diffusion/noise_schedule.h"
#include "engine/device.h"

namespace anonymizer {
namespace {

Napi::Value info_value(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    Napi::Object result = Napi::Object::New(env);
    result.Set("libtorch", TORCH_VERSION);
    result.Set("threads", Napi::Number::New(env, at::get_num_threads()));
    Napi::Array cuda = Napi::Array::New(env);
    for (const auto& device : cuda_devices()) {
      Napi::Object entry = Napi::Object::New(env);
      entry.Set("name", device.name);
      entry.Set("index", Napi::Number::New(env, device.index));
      entry.Set("totalBytes", Napi::Number::New(env, device.total_bytes));
      cuda.Set(cuda.Length(), entry);
    }
    result.Set("cuda", cuda);
    return result;
  });
}

Napi::Value stop_all(const Napi::CallbackInfo& info) {
  info.Env().GetInstanceData<InstanceData>()->stop_all();
  return info.Env().Undefined();
}

Napi::Value make_tensor(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<InstanceData>()->tensor.New({info[0]});
}

Napi::Value learning_rate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Number::New(info.Env(), learning_rate_factor(schedule_options(ObjectReader(info[0], "schedule")),
                                                              info[1].ToNumber().Int64Value()));
  });
}

Napi::Value alphas_cumprod(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return host_from_tensor(info.Env(), NoiseSchedule(c10::Device(c10::kCPU)).alphas_cumprod()).Get("data");
  });
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  configure_executor();
  auto* data = new InstanceData();
  env.SetInstanceData(data);
  data->tensor = Napi::Persistent(TensorWrap::define(env));
  data->trainer = Napi::Persistent(TrainerWrap::define(env));
  data->pipeline = Napi::Persistent(PipelineWrap::define(env));
  exports.Set("info", Napi::Function::New(env, info_value));
  exports.Set("stopAll", Napi::Function::New(env, stop_all));
  exports.Set("tensor", Napi::Function::New(env, make_tensor));
  exports.Set("createTrainer", Napi::Function::New(env, TrainerWrap::create));
  exports.Set("createPipeline", Napi::Function::New(env, PipelineWrap::create));
  exports.Set("mergeWeights", Napi::Function::New(env, merge_weights_value));
  exports.Set("roundedToInt8", Napi::Function::New(env, rounded_to_int8));
  exports.Set("learningRateFactor", Napi::Function::New(env, learning_rate));
  exports.Set("alphasCumprod", Napi::Function::New(env, alphas_cumprod));
  return exports;
}

}  // namespace
}  // namespace anonymizer

namespace {
Napi::Object InitAddon(Napi::Env env, Napi::Object exports) { return anonymizer::Init(env, exports); }
}  // namespace

NODE_API_MODULE(anonymizer_native, InitAddon)
