#include "bindings/trainer_wrap.h"

#include "bindings/adapter_options.h"
#include "bindings/convert.h"
#include "bindings/failure.h"
#include "bindings/inpainting_options.h"
#include "engine/device.h"
#include "training/unet_objective.h"
#include "training/vae_objective.h"

namespace anonymizer {
namespace {

struct Request {
  std::string kind, device_name;
  int threads = 0;
  TrainerOptions trainer;
  ModelFiles model;
  // vae
  std::optional<ModelFiles> perceptual;
  PerceptualKind perceptual_kind = PerceptualKind::kLpips;
  VaeLossWeights vae_loss;
  std::optional<AdversarialOptions> adversarial;
  std::optional<LoraOptions> lora;
  // unet
  UnetObjectiveOptions unet;
  std::optional<CommunicatorOptions> distributed;
};

AdamWOptions adamw_options(const ObjectReader& o) {
  return {o.number("learningRate"),
          o.number("beta1"),
          o.number("beta2"),
          o.number("eps"),
          o.number("weightDecay"),
          o.number("maxGradNorm"),
          static_cast<int>(o.integer("stateBits"))};
}

CommunicatorOptions communicator_options(const ObjectReader& reader) {
  CommunicatorOptions options;
  options.rank = static_cast<int>(reader.integer("rank"));
  options.world_size = static_cast<int>(reader.integer("worldSize"));
  if (options.world_size < 1 || options.rank < 0 || options.rank >= options.world_size)
    throw CodedError("ERR_INVALID_ARGUMENT", reader.path() + ".rank must be 0 … worldSize − 1");
  options.master_address = reader.string("masterAddress");
  options.master_port = static_cast<int>(reader.integer("masterPort"));
  options.agent_store = reader.boolean("agentStore");
  options.key_prefix = reader.string("keyPrefix");
  options.timeout = std::chrono::milliseconds(static_cast<int64_t>(reader.number("timeoutSeconds") * 1000));
  options.loopback = reader.boolean("loopback");
  options.network_interface = reader.string("networkInterface");
  options.fingerprint = reader.string("fingerprint");
  options.nccl_library = reader.string("ncclLibrary");
  return options;
}

Request parse(const Napi::Value& value) {
  const ObjectReader o(value, "options");
  Request r;
  r.kind = one_of<std::string>(o, "kind", {{"vae", "vae"}, {"unet", "unet"}});
  r.device_name = o.string("device");
  r.threads = static_cast<int>(o.integer("threads"));
  r.trainer.precision =
      one_of<c10::ScalarType>(o, "precision", {{"fp32", at::kFloat}, {"bf16", at::kBFloat16}, {"fp16", at::kHalf}});
  r.trainer.channels_last = o.boolean("channelsLast");
  r.trainer.seed = static_cast<uint64_t>(o.integer("seed"));
  r.trainer.rank = static_cast<uint64_t>(o.integer("rank"));
  r.trainer.ema_decay = o.number("emaDecay");
  r.trainer.freeze = o.strings("freeze");
  r.trainer.schedule = schedule_options(o.object("schedule"));
  r.trainer.optimizer = adamw_options(o.object("optimizer"));
  const ObjectReader augment = o.object("augment");
  r.trainer.augment = {augment.number("rotation"), augment.number("brightness"), augment.number("contrast")};
  r.model = model_files(o.object("model"));
  if (o.has("lora")) r.lora = lora_options(o.object("lora"));
  if (o.has("distributed")) {
    const ObjectReader distributed = o.object("distributed");
    r.distributed = communicator_options(distributed);
    r.trainer.bucket_bytes = distributed.integer("bucketBytes");
    r.trainer.shard_optimizer = distributed.boolean("shardOptimizer");
  }
  if (r.kind == "vae") {
    const ObjectReader loss = o.object("vaeLoss");
    r.vae_loss.reduction = one_of<Reduction>(loss, "reduction", {{"mean", Reduction::kMean}, {"sum", Reduction::kSum}});
    r.vae_loss.reconstruction =
        one_of<Reconstruction>(loss, "reconstruction", {{"mse", Reconstruction::kMse}, {"l1", Reconstruction::kL1}});
    r.vae_loss.kl_weight = loss.number("klWeight");
    r.vae_loss.perceptual_weight = loss.number("perceptualWeight");
    r.perceptual_kind = one_of<PerceptualKind>(loss, "perceptual",
                                               {{"lpips", PerceptualKind::kLpips}, {"vgg16", PerceptualKind::kVgg16}});
    if (o.has("perceptual")) r.perceptual = model_files(o.object("perceptual"));
    if (r.vae_loss.perceptual_weight > 0 && !r.perceptual) {
      throw CodedError("ERR_INVALID_ARGUMENT", "options.perceptual is needed for a perceptualWeight above 0");
    }
    if (o.has("adversarial")) {
      const ObjectReader gan = o.object("adversarial");
      r.adversarial = AdversarialOptions{gan.integer("startStep"), gan.number("weight"), gan.integer("channels"),
                                         gan.integer("layers"), adamw_options(gan.object("optimizer"))};
    }
  } else {
    const ObjectReader loss = o.object("unetLoss");
    r.unet.model = inpainting_options(o, loss, "model");
    r.unet.loss = {r.unet.model.prediction, loss.number("snrGamma"), loss.number("maskedWeight")};
    if (loss.has("timestepBias")) {
      const ObjectReader bias = loss.object("timestepBias");
      r.unet.timesteps = {bias.integer("begin"), bias.integer("end"), bias.number("multiplier")};
    }
    r.unet.condition_dropout = loss.number("conditionDropout");
    r.unet.full_mask_share = loss.number("fullMaskShare");
    r.unet.train_glyph_encoder = loss.boolean("trainGlyphEncoder");
    r.unet.offset_noise = loss.number("offsetNoise");
    r.unet.input_perturbation = loss.number("inputPerturbation");
    r.unet.pixel_weight = loss.number("pixelWeight");
    r.unet.ssim_weight = loss.number("ssimWeight");
    r.unet.pixel_start_step = loss.integer("pixelStartStep");
    r.unet.lora = r.lora;
  }
  return r;
}

Napi::Value losses_to_js(Napi::Env env, const std::vector<std::pair<std::string, double>>& losses) {
  return numbers_to_js(env, losses);
}

Napi::Array array_of_numbers(Napi::Env env, const std::vector<double>& values) {
  Napi::Array result = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) result.Set(static_cast<uint32_t>(i), Napi::Number::New(env, values[i]));
  return result;
}

uint64_t global_step(const Napi::Value& value) {
  if (!value.IsNumber() || value.As<Napi::Number>().Int64Value() < 0)
    throw CodedError("ERR_INVALID_ARGUMENT", "globalStep must be an integer of 0 or more");
  return static_cast<uint64_t>(value.As<Napi::Number>().Int64Value());
}

}  // namespace

Napi::Function TrainerWrap::define(Napi::Env env) {
  return DefineClass(
      env, "NativeTrainer",
      {InstanceAccessor<&TrainerWrap::parameters>("parameters"),
       InstanceAccessor<&TrainerWrap::adapted_base_bytes>("adaptedBaseBytes"),
       InstanceMethod<&TrainerWrap::step>("step"), InstanceMethod<&TrainerWrap::exchange>("exchange"),
       InstanceMethod<&TrainerWrap::compute_loss>("computeLoss"),
       InstanceMethod<&TrainerWrap::gradient_norms>("gradientNorms"),
       InstanceMethod<&TrainerWrap::gradients>("gradients"), InstanceMethod<&TrainerWrap::preview>("preview"),
       InstanceMethod<&TrainerWrap::encode>("encode"), InstanceMethod<&TrainerWrap::latent_sums>("latentSums"),
       InstanceMethod<&TrainerWrap::save_state>("saveState"), InstanceMethod<&TrainerWrap::load_state>("loadState"),
       InstanceMethod<&TrainerWrap::export_weights>("exportWeights"), InstanceMethod<&TrainerWrap::abort>("abort"),
       InstanceMethod<&TrainerWrap::close>("close")});
}

Napi::Value TrainerWrap::create(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    auto request = std::make_shared<Request>(parse(info[0]));
    auto state = std::make_shared<State>();
    auto* data = env.GetInstanceData<InstanceData>();
    state->device = parse_device(request->device_name);
    state->runner = std::make_unique<JobRunner>(env, request->threads, data->device_lock(state->device.str()));
    if (info[1].IsFunction()) {
      // While the trainer is being made it can't be asked to stop by a method of its own.
      const auto abort = [weak = std::weak_ptr<State>(state)](const Napi::CallbackInfo&) {
        if (const auto making = weak.lock()) making->runner->thread().abort_posted();
      };
      info[1].As<Napi::Function>().Call({Napi::Function::New(env, abort)});
    }
    return state->runner->run(
        env, env.Undefined(),
        [request, state]() -> JobRunner::Finish {
          request->trainer.device = state->device;
          std::unique_ptr<Objective> objective;
          if (request->kind == "vae") {
            objective = std::make_unique<VaeObjective>(
                request->model, request->perceptual ? &*request->perceptual : nullptr, request->perceptual_kind,
                request->vae_loss, request->adversarial, request->trainer.seed, state->device, request->lora);
          } else {
            objective = std::make_unique<UnetObjective>(request->unet, request->trainer.seed, state->device);
          }
          if (request->distributed) {
            request->distributed->device = state->device;
            request->trainer.communicator =
                std::make_shared<Communicator>(*request->distributed, state->runner->thread().abort_flag());
          }
          state->trainer =
              std::make_unique<Trainer>(std::move(objective), request->trainer, state->runner->thread().abort_flag());
          int64_t values = 0;
          for (const auto& parameter : state->trainer->parameters()) {
            int64_t count = 1;
            for (const int64_t extent : parameter.shape) count *= extent;
            // weights; and for trained ones gradient, two moments, EMA
            values += count * (parameter.trainable ? (request->trainer.ema_decay > 0 ? 5 : 4) : 1);
          }
          if (state->device.is_cpu()) state->reported_bytes = values * 4 + state->trainer->adapted_base_bytes();
          return [state](Napi::Env js) -> Napi::Value {
            auto* boxed = new std::shared_ptr<State>(state);
            const auto external = Napi::External<std::shared_ptr<State>>::New(
                js, boxed, [](Napi::Env, std::shared_ptr<State>* p) { delete p; });
            return js.GetInstanceData<InstanceData>()->trainer.New({external});
          };
        },
        state);
  });
}

TrainerWrap::TrainerWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TrainerWrap>(info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "Use createTrainer()");
  state_ = *info[0].As<Napi::External<std::shared_ptr<State>>>().Data();
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), state_->reported_bytes);
}

void TrainerWrap::Finalize(Napi::Env env) {
  if (!state_) return;
  if (state_->runner) state_->runner->stop();
  if (!closed_) Napi::MemoryManagement::AdjustExternalMemory(env, -state_->reported_bytes);
}

Napi::Value TrainerWrap::submit(const Napi::CallbackInfo& info, Call call) {
  return state_->runner->run(info.Env(), info.This(), [state = state_, call = std::move(call)]() -> JobRunner::Finish {
    if (!state->trainer) throw CodedError("ERR_CLOSED", "The trainer is closed");
    state->runner->thread().abort_flag().check();
    try {
      return call(*state->trainer);
    } catch (...) {
      // What the failed call held is freed by now; give it back to the device, so that a smaller try has room.
      empty_cache(state->device);
      throw;
    }
  });
}

Napi::Value TrainerWrap::parameters(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array result = Napi::Array::New(env);
  if (!state_->trainer) return result;
  uint32_t index = 0;
  for (const auto& parameter : state_->trainer->parameters()) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", parameter.name);
    Napi::Array shape = Napi::Array::New(env);
    for (size_t d = 0; d < parameter.shape.size(); ++d)
      shape.Set(static_cast<uint32_t>(d), Napi::Number::New(env, static_cast<double>(parameter.shape[d])));
    entry.Set("shape", shape);
    entry.Set("trainable", Napi::Boolean::New(env, parameter.trainable));
    result.Set(index++, entry);
  }
  return result;
}

Napi::Value TrainerWrap::adapted_base_bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(),
                           state_->trainer ? static_cast<double>(state_->trainer->adapted_base_bytes()) : 0);
}

Napi::Value TrainerWrap::step(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    if (!info[0].IsArray() || info[0].As<Napi::Array>().Length() == 0)
      throw CodedError("ERR_INVALID_ARGUMENT", "step needs at least one batch");
    const auto array = info[0].As<Napi::Array>();
    auto batches = std::make_shared<std::vector<Batch>>();
    for (uint32_t i = 0; i < array.Length(); ++i)
      batches->push_back(batch_from_js(array.Get(i), "batches[" + std::to_string(i) + "]"));
    const uint64_t step = global_step(info[1]);
    return submit(info, [batches, step](Trainer& trainer) -> JobRunner::Finish {
      const StepResult result = trainer.step(*batches, step);
      return [result](Napi::Env env) -> Napi::Value {
        Napi::Object value = Napi::Object::New(env);
        value.Set("losses", losses_to_js(env, result.losses));
        value.Set("gradNorm", result.grad_norm);
        value.Set("learningRate", result.learning_rate);
        value.Set("computeMs", result.compute_ms);
        if (result.loss_scale > 0) {
          value.Set("lossScale", result.loss_scale);
          value.Set("skipped", Napi::Boolean::New(env, result.skipped));
        }
        return value;
      };
    });
  });
}

Napi::Value TrainerWrap::exchange(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::vector<double> values = numbers_from_js(info[0], "values");
    const bool stop = info[1].ToBoolean();
    return submit(info, [values, stop](Trainer& trainer) -> JobRunner::Finish {
      return [result = trainer.exchange(values, stop)](Napi::Env env) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        object.Set("values", array_of_numbers(env, result.first));
        object.Set("stop", result.second);
        return object;
      };
    });
  });
}

Napi::Value TrainerWrap::compute_loss(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto batch = std::make_shared<Batch>(batch_from_js(info[0], "batch"));
    const uint64_t step = global_step(info[1]);
    return submit(info, [batch, step](Trainer& trainer) -> JobRunner::Finish {
      return [losses = trainer.compute_loss(*batch, step)](Napi::Env env) { return losses_to_js(env, losses); };
    });
  });
}

Napi::Value TrainerWrap::gradient_norms(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto batch = std::make_shared<Batch>(batch_from_js(info[0], "batch"));
    const uint64_t step = global_step(info[1]);
    return submit(info, [batch, step](Trainer& trainer) -> JobRunner::Finish {
      return [norms = trainer.gradient_norms(*batch, step)](Napi::Env env) { return losses_to_js(env, norms); };
    });
  });
}

Napi::Value TrainerWrap::gradients(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto batch = std::make_shared<Batch>(batch_from_js(info[0], "batch"));
    const uint64_t step = global_step(info[1]);
    return submit(info, [batch, step](Trainer& trainer) -> JobRunner::Finish {
      return [gradients = trainer.gradients(*batch, step)](Napi::Env env) -> Napi::Value {
        Napi::Object result = Napi::Object::New(env);
        for (const auto& [name, tensor] : gradients) result.Set(name, host_from_tensor(env, tensor));
        return result;
      };
    });
  });
}

Napi::Value TrainerWrap::encode(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto batch = std::make_shared<Batch>(batch_from_js(info[0], "batch", /*pixels_optional=*/true));
    return submit(info, [batch](Trainer& trainer) -> JobRunner::Finish {
      return [cached = trainer.encode(*batch)](Napi::Env env) -> Napi::Value { return cached_to_js(env, cached); };
    });
  });
}

Napi::Value TrainerWrap::preview(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto batch = std::make_shared<Batch>(batch_from_js(info[0], "batch"));
    const int64_t steps = info[1].IsNumber() ? info[1].As<Napi::Number>().Int64Value() : 20;
    const bool use_ema = info[2].ToBoolean();
    return submit(info, [batch, steps, use_ema](Trainer& trainer) -> JobRunner::Finish {
      return [images = trainer.preview(*batch, steps, use_ema)](Napi::Env env) -> Napi::Value {
        return host_from_tensor(env, images);
      };
    });
  });
}

Napi::Value TrainerWrap::latent_sums(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto batch = std::make_shared<Batch>(batch_from_js(info[0], "batch"));
    const bool use_ema = info[1].ToBoolean();
    return submit(info, [batch, use_ema](Trainer& trainer) -> JobRunner::Finish {
      return [sums = trainer.latent_sums(*batch, use_ema)](Napi::Env env) -> Napi::Value {
        Napi::Object value = Napi::Object::New(env);
        value.Set("count", sums.count);
        value.Set("mean", sums.mean);
        value.Set("squares", sums.squares);
        value.Set("variance", sums.variance);
        return value;
      };
    });
  });
}

Napi::Value TrainerWrap::save_state(const Napi::CallbackInfo& info) {
  const std::string folder = info[0].ToString();
  return submit(info, [folder](Trainer& trainer) -> JobRunner::Finish {
    return [files = trainer.save_state(folder)](Napi::Env env) -> Napi::Value {
      Napi::Array result = Napi::Array::New(env);
      for (size_t i = 0; i < files.size(); ++i) result.Set(static_cast<uint32_t>(i), Napi::String::New(env, files[i]));
      return result;
    };
  });
}

Napi::Value TrainerWrap::load_state(const Napi::CallbackInfo& info) {
  const std::string folder = info[0].ToString();
  return submit(info, [folder](Trainer& trainer) -> JobRunner::Finish {
    trainer.load_state(folder);
    return {};
  });
}

Napi::Value TrainerWrap::export_weights(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const ObjectReader reader(info[0], "files");
    std::vector<std::pair<std::string, std::string>> files;
    for (const auto& [key, file] : {std::pair{"model", "model.safetensors"},
                                    {"textProjection", "text_projection.safetensors"},
                                    {"glyphEncoder", "glyph_encoder.safetensors"},
                                    {"adapter", kAdapterFile}}) {
      if (reader.has(key)) files.emplace_back(file, reader.string(key));
    }
    const bool use_ema = info[1].ToBoolean();
    return submit(info, [files, use_ema](Trainer& trainer) -> JobRunner::Finish {
      trainer.export_weights(files, use_ema);
      return {};
    });
  });
}

Napi::Value TrainerWrap::abort(const Napi::CallbackInfo& info) {
  state_->runner->thread().abort_posted();
  return info.Env().Undefined();
}

Napi::Value TrainerWrap::close(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (closed_) {
    auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Resolve(env.Undefined());
    return deferred.Promise();
  }
  closed_ = true;
  Napi::MemoryManagement::AdjustExternalMemory(env, -state_->reported_bytes);
  return state_->runner->run(env, info.This(), [state = state_]() -> JobRunner::Finish {
    state->trainer.reset();
    empty_cache(state->device);
    return [state](Napi::Env js) -> Napi::Value {
      state->runner->stop();  // the thread is idle: joining is immediate
      return js.Undefined();
    };
  });
}

}  // namespace anonymizer
