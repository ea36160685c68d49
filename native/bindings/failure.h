// Exceptions → codes of src/errors.ts. Every exception crosses the boundary here and nowhere else.
#pragma once

#include <exception>
#include <string>

#include "bindings/napi_setup.h"

namespace anonymizer {

struct Failure {
  std::string code;
  std::string message;
  Napi::Error to_js(Napi::Env env) const;
};

Failure describe_failure(const std::exception_ptr& error);

// Runs on the JavaScript thread; a C++ exception becomes a coded JavaScript error.
template <typename Function>
auto guarded(Napi::Env env, Function&& function) -> decltype(function()) {
  try {
    return function();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw describe_failure(std::current_exception()).to_js(env);
  }
}

}  // namespace anonymizer
