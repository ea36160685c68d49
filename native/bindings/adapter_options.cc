#include "bindings/adapter_options.h"

#include "bindings/failure.h"
#include "bindings/job_runner.h"
#include "engine/error.h"

namespace anonymizer {
namespace {

Napi::Array array_of(const Napi::Value& value, const std::string& path) {
  if (!value.IsArray()) throw CodedError("ERR_INVALID_ARGUMENT", path + " must be an array");
  return value.As<Napi::Array>();
}

std::string element(const std::string& path, uint32_t index) { return path + "[" + std::to_string(index) + "]"; }

}  // namespace

LoraOptions lora_options(const ObjectReader& reader) {
  LoraOptions options;
  options.layers = reader.strings("layers");
  options.rank = reader.integer("rank");
  options.alpha = reader.number("alpha");
  options.rslora = reader.boolean("rslora");
  options.quantize_base = reader.boolean("quantizeBase");
  options.init = one_of<LoraInit>(reader, "init",
                                  {{"kaiming_uniform", LoraInit::kKaimingUniform}, {"gaussian", LoraInit::kGaussian}});
  return options;
}

std::vector<AdapterFile> adapter_files(const Napi::Value& value, const std::string& path) {
  const Napi::Array array = array_of(value, path);
  std::vector<AdapterFile> result;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const ObjectReader reader(array.Get(i), element(path, i));
    AdapterFile file{reader.string("path"), reader.number("weight"), {}};
    const std::string layers_path = reader.path() + ".layers";
    const Napi::Array layers = array_of(reader.raw("layers"), layers_path);
    for (uint32_t k = 0; k < layers.Length(); ++k) {
      const ObjectReader layer(layers.Get(k), element(layers_path, k));
      file.layers.push_back({layer.string("name"), layer.string("a"), layer.string("b"), layer.number("scale")});
    }
    result.push_back(std::move(file));
  }
  return result;
}

Napi::Value merge_weights_value(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const ObjectReader reader(info[0], "options");
    const std::string weights = reader.string("weights");
    const std::string out = reader.string("out");
    const auto files = adapter_files(reader.raw("adapters"), "options.adapters");
    auto runner = std::make_shared<JobRunner>(env, 0, env.GetInstanceData<InstanceData>()->device_lock("cpu"));
    return runner->run(
        env, env.Undefined(),
        [weights, files, out]() -> JobRunner::Finish {
          merge_weights(weights, files, out);
          return {};
        },
        runner);
  });
}

Napi::Value rounded_to_int8(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const at::Tensor weight = tensor_from_host(info[0], "weight");
    if (weight.scalar_type() != at::kFloat || weight.dim() < 2)
      throw CodedError("ERR_INVALID_ARGUMENT", "weight must be float32 [out, …]");
    return host_from_tensor(info.Env(), quantize_int8(weight).dense());
  });
}

}  // namespace anonymizer
