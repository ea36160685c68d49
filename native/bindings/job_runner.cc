#include "bindings/job_runner.h"

#include <atomic>
#include <exception>
#include <optional>

#include "bindings/failure.h"

namespace anonymizer {

DeviceLock InstanceData::device_lock(const std::string& device) {
  auto& lock = device_locks[device];
  if (!lock) lock = std::make_shared<std::timed_mutex>();
  return lock;
}

void InstanceData::stop_all() {
  // The set changes as runners stop.
  for (auto* runner : std::set<JobRunner*>(runners)) runner->stop();
}

// Made, settled and destroyed on the JavaScript thread; the job thread only fills `finish` or `failure`.
struct JobRunner::Pending {
  Napi::Promise::Deferred deferred;
  Napi::Reference<Napi::Value> owner;
  std::shared_ptr<void> keep;
  Finish finish;
  std::optional<Failure> failure;
};

namespace {
void cleanup(JobRunner* runner) { runner->stop(); }
}  // namespace

JobRunner::JobRunner(Napi::Env env, int threads, DeviceLock lock)
    : env_(env),
      data_(env.GetInstanceData<InstanceData>()),
      to_js_(Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}),
                                           "anonymizer", 0, 1)),
      thread_(threads, std::move(lock)) {
  to_js_.Unref(env);
  data_->runners.insert(this);
  // Registered after the thread-safe function's own hook, so it runs before it: hooks run last in, first out.
  napi_add_env_cleanup_hook(env, reinterpret_cast<void (*)(void*)>(cleanup), this);
}

JobRunner::~JobRunner() { stop(); }

void JobRunner::stop() {
  if (stopped_) return;
  stopped_ = true;
  napi_remove_env_cleanup_hook(env_, reinterpret_cast<void (*)(void*)>(cleanup), this);
  data_->runners.erase(this);
  thread_.stop();
  to_js_.Release();
}

Napi::Promise JobRunner::run(Napi::Env env, const Napi::Value& owner, Work work, std::shared_ptr<void> keep) {
  auto deferred = Napi::Promise::Deferred::New(env);
  if (stopped_) {
    deferred.Reject(Failure{"ERR_CLOSED", "It is closed"}.to_js(env).Value());
    return deferred.Promise();
  }
  auto* pending =
      new Pending{deferred,
                  owner.IsObject() ? Napi::Reference<Napi::Value>::New(owner, 1) : Napi::Reference<Napi::Value>(),
                  std::move(keep),
                  {},
                  {}};
  if (pending_++ == 0) to_js_.Ref(env);
  thread_.post([this, pending, work = std::move(work)]() mutable {
    try {
      pending->finish = work();
    } catch (...) {
      pending->failure = describe_failure(std::current_exception());
    }
    work = nullptr;  // tensors the work holds are freed on this thread
    notify([this, pending](Napi::Env js) { settle(js, pending); });
  });
  return deferred.Promise();
}

void JobRunner::settle(Napi::Env env, Pending* pending) {
  const std::unique_ptr<Pending> owned(pending);
  if (--pending_ == 0 && !stopped_) to_js_.Unref(env);
  if (!owned->failure) {
    try {
      owned->deferred.Resolve(owned->finish ? owned->finish(env) : env.Undefined());
      return;
    } catch (const Napi::Error& error) {
      owned->deferred.Reject(error.Value());
      return;
    } catch (...) {
      owned->failure = describe_failure(std::current_exception());
    }
  }
  owned->deferred.Reject(owned->failure->to_js(env).Value());
}

void JobRunner::notify(std::function<void(Napi::Env)> callback) {
  auto* boxed = new std::function<void(Napi::Env)>(std::move(callback));
  const napi_status status =
      to_js_.NonBlockingCall(boxed, [](Napi::Env env, Napi::Function, std::function<void(Napi::Env)>* function) {
        const std::unique_ptr<std::function<void(Napi::Env)>> owned(function);
        if (env != nullptr) (*owned)(env);
      });
  // While the environment ends nobody waits for the result, and a JavaScript reference must not be freed on this
  // thread: what it holds goes with the process.
  (void)status;
}

}  // namespace anonymizer
