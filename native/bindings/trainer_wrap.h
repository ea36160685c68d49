#pragma once

#include <memory>

#include "bindings/job_runner.h"
#include "bindings/napi_setup.h"
#include "training/trainer.h"

namespace anonymizer {

class TrainerWrap : public Napi::ObjectWrap<TrainerWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  // createTrainer(options): Promise<NativeTrainer>
  static Napi::Value create(const Napi::CallbackInfo& info);
  explicit TrainerWrap(const Napi::CallbackInfo& info);
  void Finalize(Napi::Env env) override;

  // The trainer is made, used and freed on the runner's thread.
  struct State {
    std::unique_ptr<Trainer> trainer;
    std::unique_ptr<JobRunner> runner;  // destroyed first: joins the thread that uses the trainer
    c10::Device device = c10::Device(c10::kCPU);
    int64_t reported_bytes = 0;
  };

 private:
  using Call = std::function<JobRunner::Finish(Trainer&)>;
  Napi::Value submit(const Napi::CallbackInfo& info, Call call);

  Napi::Value parameters(const Napi::CallbackInfo& info);
  Napi::Value adapted_base_bytes(const Napi::CallbackInfo& info);
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value exchange(const Napi::CallbackInfo& info);
  Napi::Value compute_loss(const Napi::CallbackInfo& info);
  Napi::Value gradient_norms(const Napi::CallbackInfo& info);
  Napi::Value gradients(const Napi::CallbackInfo& info);
  Napi::Value encode(const Napi::CallbackInfo& info);
  Napi::Value preview(const Napi::CallbackInfo& info);
  Napi::Value latent_sums(const Napi::CallbackInfo& info);
  Napi::Value save_state(const Napi::CallbackInfo& info);
  Napi::Value load_state(const Napi::CallbackInfo& info);
  Napi::Value export_weights(const Napi::CallbackInfo& info);
  Napi::Value abort(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  std::shared_ptr<State> state_;
  bool closed_ = false;
};

}  // namespace anonymizer
