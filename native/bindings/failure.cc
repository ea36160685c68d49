#include "bindings/failure.h"

#include <c10/util/Exception.h>

#include <new>

#include "engine/error.h"

namespace anonymizer {
namespace {

bool is_out_of_memory(const std::string& message) {
  // On the CPU, and inside TorchScript everywhere, it arrives without its class.
  return message.find("out of memory") != std::string::npos ||
         message.find("can't allocate memory") != std::string::npos ||
         message.find("not enough memory") != std::string::npos;
}

// TorchScript puts its own stack trace in front; what went wrong stands after the last "RuntimeError: ".
std::string reason_of(const std::string& message) {
  const std::string marker = "RuntimeError: ";
  const size_t at = message.rfind(marker);
  std::string reason = at == std::string::npos ? message : message.substr(at + marker.size());
  const size_t trace = reason.find("\nException raised from");
  if (trace != std::string::npos) reason.resize(trace);
  while (!reason.empty() && (reason.back() == '\n' || reason.back() == ' ')) reason.pop_back();
  if (reason.size() > 1000) reason = reason.substr(0, 1000) + " …";
  return reason;
}

Failure from_message(const std::string& message) {
  return {is_out_of_memory(message) ? "ERR_OUT_OF_MEMORY" : "ERR_NATIVE", reason_of(message)};
}

}  // namespace

Napi::Error Failure::to_js(Napi::Env env) const {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

Failure describe_failure(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const CodedError& e) {
    return {e.code(), e.what()};
  } catch (const c10::OutOfMemoryError& e) {
    return {"ERR_OUT_OF_MEMORY", reason_of(e.what_without_backtrace())};
  } catch (const c10::Error& e) {
    return from_message(e.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return {"ERR_OUT_OF_MEMORY", "The memory of the machine is used up"};
  } catch (const std::exception& e) {
    return from_message(e.what());
  } catch (...) {
    return {"ERR_NATIVE", "an unknown error"};
  }
}

}  // namespace anonymizer
