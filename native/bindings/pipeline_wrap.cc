#include "bindings/pipeline_wrap.h"

#include "bindings/adapter_options.h"
#include "bindings/convert.h"
#include "bindings/failure.h"
#include "bindings/inpainting_options.h"
#include "engine/device.h"
#include "training/objective.h"
#include "engine/random.h"

namespace anonymizer {

Napi::Function PipelineWrap::define(Napi::Env env) {
  return DefineClass(env, "NativePipeline",
                     {InstanceMethod<&PipelineWrap::generate>("generate"),
                      InstanceMethod<&PipelineWrap::set_adapter_weights>("setAdapterWeights"),
                      InstanceMethod<&PipelineWrap::abort>("abort"), InstanceMethod<&PipelineWrap::close>("close")});
}

Napi::Value PipelineWrap::create(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const ObjectReader reader(info[0], "options");
    const InpaintingModelOptions options = inpainting_options(reader, reader, "unet");
    const std::vector<AdapterFile> adapters =
        reader.has("adapters") ? adapter_files(reader.raw("adapters"), "options.adapters") : std::vector<AdapterFile>{};
    auto state = std::make_shared<State>();
    state->device = parse_device(reader.string("device"));
    state->bf16 = reader.string("precision") == "bf16";
    state->runner = std::make_unique<JobRunner>(env, static_cast<int>(reader.integer("threads")),
                                                env.GetInstanceData<InstanceData>()->device_lock(state->device.str()));
    return state->runner->run(
        env, env.Undefined(),
        [options, adapters, state]() -> JobRunner::Finish {
          state->model = std::make_unique<InpaintingModel>(options, 0, state->device);
          state->adapters = AppliedAdapters(state->model->unet(), adapters);
          return [state](Napi::Env js) -> Napi::Value {
            auto* boxed = new std::shared_ptr<State>(state);
            const auto external = Napi::External<std::shared_ptr<State>>::New(
                js, boxed, [](Napi::Env, std::shared_ptr<State>* p) { delete p; });
            return js.GetInstanceData<InstanceData>()->pipeline.New({external});
          };
        },
        state);
  });
}

PipelineWrap::PipelineWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PipelineWrap>(info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "Use createPipeline()");
  state_ = *info[0].As<Napi::External<std::shared_ptr<State>>>().Data();
}

void PipelineWrap::Finalize(Napi::Env) {
  if (state_ && state_->runner) state_->runner->stop();
}

Napi::Value PipelineWrap::generate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto batch = std::make_shared<Batch>(batch_from_js(info[0], "batch"));
    if (!batch->masks.defined() || !batch->glyphs.defined())
      throw CodedError("ERR_INVALID_ARGUMENT", "generate needs masks and glyphs");
    const ObjectReader reader(info[1], "options");
    auto seeds = std::make_shared<std::vector<uint64_t>>(seeds_from_js(reader.raw("seeds"), "options.seeds"));
    if (seeds->size() != batch->ids.size())
      throw CodedError("ERR_INVALID_ARGUMENT", "options.seeds must hold one seed for each sample");
    SamplingOptions options;
    options.sampler = parse_sampler(reader.string("sampler"), "options.sampler");
    options.plan.steps = reader.integer("steps");
    if (reader.has("timestepSpacing"))
      options.plan.spacing = parse_spacing(reader.string("timestepSpacing"), "options.timestepSpacing");
    options.guidance_scale = reader.number("guidanceScale");
    if (reader.has("changeScale")) options.change_scale = reader.number("changeScale");
    if (!(options.change_scale > 0 && options.change_scale <= 1))
      throw CodedError("ERR_INVALID_ARGUMENT", "options.changeScale must be in (0, 1]");
    options.plan.strength = reader.number("strength");
    const bool latents_only = reader.has("returnLatents") && reader.boolean("returnLatents");
    std::shared_ptr<Napi::FunctionReference> progress;
    if (reader.has("onProgress")) {
      progress =
          std::make_shared<Napi::FunctionReference>(Napi::Persistent(reader.raw("onProgress").As<Napi::Function>()));
    }
    const bool reports = progress != nullptr;
    // Only the JavaScript thread may touch the function: the job holds an unowned pointer, the result owns it.
    auto* callback = progress.get();
    return state_->runner->run(
        info.Env(), info.This(),
        [state = state_, batch, seeds, options, latents_only, reports, callback,
         progress]() mutable -> JobRunner::Finish {
          auto kept = std::move(progress);
          if (!state->model) throw CodedError("ERR_CLOSED", "The pipeline is closed");
          SamplingOptions sampling = options;
          if (reports) {
            sampling.on_step = [&state, callback](int64_t done, int64_t total) {
              state->runner->notify([callback, done, total](Napi::Env env) {
                callback->Call({Napi::Number::New(env, static_cast<double>(done)),
                                Napi::Number::New(env, static_cast<double>(total))});
              });
            };
          }
          auto release = [kept](JobRunner& runner) {
            if (kept) runner.notify([kept](Napi::Env) mutable { kept.reset(); });
          };
          at::Tensor result;
          try {
            torch::NoGradGuard no_grad;
            const PreparedBatch prepared = prepare(*batch, state->device, at::MemoryFormat::ChannelsLast);
            require_images(prepared);
            const Autocast autocast(state->device, state->bf16 ? at::kBFloat16 : at::kFloat);
            auto noise = [&](at::IntArrayRef shape) {
              if (prepared.noise.defined()) return prepared.noise;
              std::vector<at::Tensor> parts;
              for (const uint64_t seed : *seeds) parts.push_back(normal_from_seed(mix(seed), shape.slice(1)));
              return at::stack(parts);
            };
            const SamplingInputs inputs{prepared.images, prepared.masks, prepared.drafts, prepared.glyphs};
            const SampledLatents sampled =
                state->model->sample(inputs, noise, sampling, state->runner->thread().abort_flag());
            result = latents_only
                         ? sampled.latents.to(at::kCPU)
                         : denormalise_images(state->model->decode_sampled(sampled, inputs, sampling.change_scale));
          } catch (...) {
            release(*state->runner);
            empty_cache(state->device);
            throw;
          }
          release(*state->runner);
          return [result](Napi::Env env) -> Napi::Value { return host_from_tensor(env, result); };
        });
  });
}

Napi::Value PipelineWrap::set_adapter_weights(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::vector<double> weights = numbers_from_js(info[0], "weights");
    return state_->runner->run(info.Env(), info.This(), [state = state_, weights]() -> JobRunner::Finish {
      if (!state->model) throw CodedError("ERR_CLOSED", "The pipeline is closed");
      state->adapters.set_weights(weights);
      return {};
    });
  });
}

Napi::Value PipelineWrap::abort(const Napi::CallbackInfo& info) {
  state_->runner->thread().abort_posted();
  return info.Env().Undefined();
}

Napi::Value PipelineWrap::close(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (closed_) {
    auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Resolve(env.Undefined());
    return deferred.Promise();
  }
  closed_ = true;
  return state_->runner->run(env, info.This(), [state = state_]() -> JobRunner::Finish {
    state->adapters = {};
    state->model.reset();
    empty_cache(state->device);
    return [state](Napi::Env js) -> Napi::Value {
      state->runner->stop();
      return js.Undefined();
    };
  });
}

}  // namespace anonymizer
