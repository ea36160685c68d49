#include "distributed/gradient_reducer.h"

#include <torch/csrc/distributed/c10d/comm.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>

namespace anonymizer {
namespace {

constexpr char kWhat[] = "exchanging gradients";
// The first bucket is small, so that communication starts early.
constexpr int64_t kFirstBucketBytes = 1 << 20;

using Future = c10::ivalue::Future;

// A bucket on its way. Settled once, by whichever comes first: its end, or the order to stop.
struct Bucket {
  c10::intrusive_ptr<Future> future = c10::make_intrusive<Future>(c10::TensorType::get());
  std::atomic<bool> settled = false;

  void complete(const at::Tensor& sum) {
    if (!settled.exchange(true)) future->markCompleted(sum);
  }
  void fail(const std::exception_ptr& error) {
    if (!settled.exchange(true)) future->setError(error);
  }
};

}  // namespace

// What is under way in the pass that runs; shared with callbacks that may come after the reducer is gone.
struct GradientReducer::Progress {
  std::mutex mutex;
  std::string failure;
  std::vector<c10::intrusive_ptr<c10d::Work>> works;
  std::vector<std::shared_ptr<Bucket>> buckets;

  void note(const std::string& what) {
    const std::lock_guard lock(mutex);
    if (failure.empty()) failure = what;
  }
  // The Reducer's own wait has no end but the time-out's.
  void stop() {
    std::vector<std::shared_ptr<Bucket>> waiting;
    {
      const std::lock_guard lock(mutex);
      waiting = buckets;
    }
    const auto error = std::make_exception_ptr(CodedError("ERR_ABORTED", "The computation was aborted"));
    for (const auto& bucket : waiting) bucket->fail(error);
  }
};

// Sums instead of averaging: the shares of the ranks are weighted by their samples already.
class GradientReducer::Hook : public c10d::CppCommHookInterface<GradientReducer*> {
 public:
  explicit Hook(GradientReducer* owner) : CppCommHookInterface(owner) {}

  c10::intrusive_ptr<Future> runHook(c10d::GradBucket& grads) override {
    std::vector<at::Tensor> tensors{grads.getBufferRef()};
    const auto progress = state_->progress_;
    try {
      const auto work = state_->communicator_.process_group()->allreduce(tensors);
      const auto bucket = std::make_shared<Bucket>();
      {
        const std::lock_guard lock(progress->mutex);
        progress->works.push_back(work);
        progress->buckets.push_back(bucket);
      }
      // On a CUDA device the future carries the stream to wait for; it must be this one.
      if (!tensors[0].is_cpu()) return work->getFuture();
      work->getFuture()->addCallback([progress, bucket, sum = tensors[0]](Future& done) {
        if (done.hasError()) {
          progress->note(done.tryRetrieveErrorMessage());
          bucket->fail(done.exception_ptr());
        } else {
          bucket->complete(sum);
        }
      });
      if (state_->abort_.requested()) progress->stop();
      return bucket->future;
    } catch (const std::exception& error) {
      progress->note(error.what());
      throw;
    }
  }
};

GradientReducer::GradientReducer(Communicator& communicator, std::vector<at::Tensor> parameters, int64_t bucket_bytes,
                                 const AbortFlag& abort)
    : communicator_(communicator),
      parameters_(std::move(parameters)),
      bucket_bytes_(bucket_bytes),
      abort_(abort),
      progress_(std::make_shared<Progress>()) {
  communicator_.guarded("comparing the models", [&] {
    c10d::verify_params_across_processes(communicator_.process_group(), parameters_, std::nullopt);
  });
}

GradientReducer::~GradientReducer() = default;

// Made at its first exchange: it counts the backward passes it sees, and learns the graph in the very first one.
void GradientReducer::make_reducer() {
  const auto first = std::min(kFirstBucketBytes, bucket_bytes_);
  auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(
      parameters_, {static_cast<size_t>(first), static_cast<size_t>(bucket_bytes_)},
      std::vector<bool>(parameters_.size(), false));
  // Gradients become ready from the last layer to the first.
  std::reverse(buckets.begin(), buckets.end());
  std::reverse(limits.begin(), limits.end());
  const std::vector<int64_t> bytes(limits.begin(), limits.end());
  reducer_ = std::make_unique<c10d::Reducer>(
      parameters_, std::move(buckets), communicator_.process_group(), std::vector<bool>(parameters_.size(), false),
      bucket_bytes_, /*find_unused_parameters=*/false, /*gradient_as_bucket_view=*/false,
      std::unordered_map<size_t, std::string>(), first, /*skip_all_reduce_unused_params=*/false,
      /*use_python_reducer=*/false, std::vector<int64_t>{first, bucket_bytes_});
  reducer_->register_comm_hook(std::make_unique<Hook>(this));
  reducer_->set_static_graph();
}

void GradientReducer::backward(const at::Tensor& loss, bool exchange) {
  if (broken_) communicator_.fail(kWhat, "an earlier step ended in the middle of an exchange");
  if (!exchange) {
    loss.backward();
    return;
  }
  {
    const std::lock_guard lock(progress_->mutex);
    progress_->works.clear();
    progress_->buckets.clear();
    progress_->failure.clear();
  }
  abort_.listen([progress = progress_] { progress->stop(); });
  try {
    communicator_.guarded(kWhat, [&] {
      if (!reducer_) make_reducer();
      reducer_->prepare_for_forward();
      if (reducer_->should_rebuild_buckets()) reducer_->rebuild_buckets();
      reducer_->prepare_for_backward({});
    });
    loss.backward();
    // A static graph is learnt in its first pass, whose gradients are all exchanged at its end.
    if (first_) reducer_->delay_all_reduce();
    if (communicator_.process_group()->getBackendType() == c10d::ProcessGroup::BackendType::NCCL) {
      // On a CUDA device the futures above only order streams; this waits for the exchange and sees its time-out.
      for (const auto& work : progress_->works) work->wait();
    }
    first_ = false;
    abort_.listen({});
  } catch (...) {
    abort_.listen({});
    std::string failure;
    bool started;
    {
      const std::lock_guard lock(progress_->mutex);
      failure = progress_->failure;
      started = !progress_->works.empty();
    }
    if (!failure.empty()) {
      broken_ = true;
      communicator_.fail(kWhat, failure);
    }
    // Nothing was sent yet and the others have learnt no more than this rank: the step can be tried again.
    if (first_ && !started) {
      reducer_.reset();
    } else {
      broken_ = true;
    }
    throw;
  }
}

}  // namespace anonymizer
