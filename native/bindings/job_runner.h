// Promises over a job thread: work runs there, its result is made into a JavaScript value here.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "bindings/napi_setup.h"
#include "engine/job_thread.h"

namespace anonymizer {

class JobRunner;

// One per environment (main thread or worker); nothing is global.
struct InstanceData {
  std::set<JobRunner*> runners;
  std::map<std::string, DeviceLock> device_locks;
  Napi::FunctionReference tensor, trainer, pipeline;
  DeviceLock device_lock(const std::string& device);
  // Stops every job and joins every thread. For the process's exit: env cleanup hooks come too late there.
  void stop_all();
};

class JobRunner {
 public:
  using Finish = std::function<Napi::Value(Napi::Env)>;
  using Work = std::function<Finish()>;

  JobRunner(Napi::Env env, int threads, DeviceLock lock);
  ~JobRunner();
  JobRunner(const JobRunner&) = delete;
  JobRunner& operator=(const JobRunner&) = delete;

  // `owner` and `keep` live until the promise is settled and are let go on this thread: the job thread must never drop
  // the last hold on its own runner. The loop stays alive meanwhile.
  Napi::Promise run(Napi::Env env, const Napi::Value& owner, Work work, std::shared_ptr<void> keep = nullptr);
  // From the job thread: runs the callback on the JavaScript thread some time later.
  void notify(std::function<void(Napi::Env)> callback);
  JobThread& thread() { return thread_; }
  // Aborts and joins. After that every run() is rejected with ERR_CLOSED.
  void stop();

 private:
  struct Pending;
  void settle(Napi::Env env, Pending* pending);

  Napi::Env env_;
  InstanceData* data_;
  Napi::ThreadSafeFunction to_js_;
  JobThread thread_;
  int pending_ = 0;
  bool stopped_ = false;
};

}  // namespace anonymizer
