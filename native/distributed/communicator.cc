#include "distributed/communicator.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

// c10d's Gloo header is empty without it.
#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/comm.hpp>
#include <torch/headeronly/version.h>

#include "distributed/nccl_library.h"

namespace anonymizer {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// How often waiting looks whether it was told to stop.
constexpr milliseconds kPoll{20};
// One try to reach the store, which can't be stopped. Callers make sure that it listens.
constexpr milliseconds kConnectTry{5000};
constexpr size_t kBroadcastBytes = 25 << 20;

// The first sentence, without source positions and stack traces.
std::string reason_of(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  for (const char* rest : {"Exception raised from", " This is typically caused by"}) {
    const size_t begin = line.find(rest);
    if (begin != std::string::npos) line.resize(begin);
  }
  if (!line.empty() && line.front() == '[') {
    const size_t end = line.find("] ");
    if (end != std::string::npos && line.find(".cc:") < end) line = line.substr(end + 2);
  }
  while (!line.empty() && (line.back() == ' ' || line.back() == '.')) line.pop_back();
  return line;
}

std::string seconds(milliseconds time) {
  const auto count = time.count();
  return (count % 1000 == 0 ? std::to_string(count / 1000) : std::to_string(static_cast<double>(count) / 1000)) + " s";
}

std::string ready_key(int rank) { return "ready/" + std::to_string(rank); }
std::string compared_key(int rank) { return "compared/" + std::to_string(rank); }

std::vector<uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

}  // namespace

Communicator::Communicator(const CommunicatorOptions& options, const AbortFlag& abort)
    : options_(options), abort_(abort) {
  guarded("connecting", [&] {
    store_ = meet();
    check_fingerprints(*store_);
    auto gloo_options = c10d::ProcessGroupGloo::Options::create(options_.timeout);
    if (options_.loopback) {
      gloo_options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1"));
    } else if (!options_.network_interface.empty()) {
      gloo_options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForInterface(options_.network_interface));
    } else {
      gloo_options->devices.push_back(c10d::ProcessGroupGloo::createDefaultDevice());
    }
    auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>("gloo", store_),
                                                            options_.rank, options_.world_size, gloo_options);
    group_ = c10::make_intrusive<c10d::ProcessGroup>(store_, options_.rank, options_.world_size);
    group_->setBackend(c10::kCPU, c10d::ProcessGroup::BackendType::GLOO, gloo);
    group_->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
    if (!options_.nccl_library.empty()) {
      group_->setBackend(c10::kCUDA, c10d::ProcessGroup::BackendType::NCCL,
                         make_nccl(options_.nccl_library, c10::make_intrusive<c10d::PrefixStore>("nccl", store_),
                                   options_.rank, options_.world_size, options_.timeout, options_.device));
      group_->setDefaultBackend(c10d::ProcessGroup::BackendType::NCCL);
    }
  });
}

Communicator::~Communicator() = default;

// The store, once every rank is there. Waits in short pieces, so that it can be stopped, and says who is missing.
c10::intrusive_ptr<c10d::Store> Communicator::meet() {
  const auto deadline = Clock::now() + options_.timeout;
  const std::string address = options_.master_address + ":" + std::to_string(options_.master_port);
  c10::intrusive_ptr<c10d::Store> store;
  while (!store) {
    abort_.check();
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    c10d::TCPStoreOptions tcp;
    tcp.port = static_cast<uint16_t>(options_.master_port);
    tcp.isServer = !options_.agent_store && options_.rank == 0;
    tcp.waitWorkers = false;
    tcp.multiTenant = true;
    tcp.timeout = std::clamp(left, milliseconds(100), kConnectTry);
    try {
      store = c10::make_intrusive<c10d::TCPStore>(options_.master_address, tcp);
    } catch (const std::exception& error) {
      const std::string reason = reason_of(error.what());
      if (tcp.isServer) fail("opening the store at " + address, reason);
      if (Clock::now() >= deadline) fail("connecting to the store at " + address, reason);
    }
  }
  store->setTimeout(options_.timeout);
  store = c10::make_intrusive<c10d::PrefixStore>(options_.key_prefix, store);
  store->set(ready_key(options_.rank), bytes_of(options_.fingerprint));
  for (int rank = 0; rank < options_.world_size;) {
    abort_.check();
    if (store->check({ready_key(rank)})) {
      ++rank;
    } else if (Clock::now() >= deadline) {
      std::string missing;
      for (; rank < options_.world_size; ++rank) {
        if (!store->check({ready_key(rank)})) missing += (missing.empty() ? "" : ", ") + std::to_string(rank);
      }
      fail("waiting for the others", "not there after " + seconds(options_.timeout) + ": rank " + missing);
    } else {
      std::this_thread::sleep_for(kPoll);
    }
  }
  return store;
}

// Every rank looks at every other, so that all end at once.
void Communicator::check_fingerprints(c10d::Store& store) const {
  const auto first = store.get(ready_key(0));
  int other = 0;
  for (int rank = options_.world_size - 1; rank > 0; --rank) {
    if (store.get(ready_key(rank)) != first) other = rank;
  }
  store.set(compared_key(options_.rank), bytes_of("1"));
  if (other == 0) return;
  // The store ends with rank 0: it stays until the others have looked, too.
  const auto deadline = Clock::now() + kConnectTry;
  for (int rank = 1; options_.rank == 0 && rank < options_.world_size && Clock::now() < deadline;) {
    if (store.check({compared_key(rank)}))
      ++rank;
    else
      std::this_thread::sleep_for(kPoll);
  }
  fail("comparing the configurations",
       "rank " + std::to_string(other) +
           " has other settings, data or models than rank 0, or resumes from another checkpoint");
}

void Communicator::wait(const c10::intrusive_ptr<c10d::Work>& work, const char* what) {
  struct Done {
    std::mutex mutex;
    std::condition_variable wake;
    bool done = false;
  };
  const auto done = std::make_shared<Done>();
  work->getFuture()->addCallback([done](c10::ivalue::Future&) {
    const std::lock_guard lock(done->mutex);
    done->done = true;
    done->wake.notify_all();
  });
  {
    std::unique_lock lock(done->mutex);
    while (!done->wake.wait_for(lock, kPoll, [&] { return done->done; })) abort_.check();
  }
  guarded(what, [&] { work->wait(); });
}

void Communicator::fail(const std::string& what, const std::string& reason) const {
  throw CodedError("ERR_DISTRIBUTED", "Rank " + std::to_string(options_.rank) + " of " +
                                          std::to_string(options_.world_size) + " failed while " + what + ": " +
                                          reason_of(reason));
}

void Communicator::all_reduce(at::Tensor values, const char* what) {
  std::vector<at::Tensor> tensors{std::move(values)};
  guarded(what, [&] { wait(group_->allreduce(tensors), what); });
}

void Communicator::broadcast(const std::vector<at::Tensor>& tensors, const char* what) {
  guarded(what, [&] { c10d::broadcast_coalesced(group_, tensors, kBroadcastBytes); });
}

void Communicator::all_gather(at::Tensor all, const at::Tensor& own, const char* what) {
  guarded(what, [&] {
    at::Tensor input = own;
#if TORCH_VERSION_MINOR >= 13
    wait(group_->all_gather_single(all, input), what);
#else
    wait(group_->_allgather_base(all, input), what);
#endif
  });
}

at::Tensor Communicator::gather(const at::Tensor& own, const char* what) {
  at::Tensor all;
  guarded(what, [&] {
    std::vector<at::Tensor> inputs{own};
    std::vector<std::vector<at::Tensor>> outputs;
    if (options_.rank == 0) {
      all = at::empty({own.numel() * options_.world_size}, own.options());
      outputs.push_back(all.chunk(options_.world_size));
    }
    c10d::GatherOptions root;
    root.rootRank = 0;
    wait(group_->gather(outputs, inputs, root), what);
  });
  return all;
}

}  // namespace anonymizer
