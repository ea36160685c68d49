// Errors that carry a code of src/errors.ts across the boundary.
#pragma once

#include <stdexcept>
#include <string>

namespace anonymizer {

class CodedError : public std::runtime_error {
 public:
  CodedError(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;
};

}  // namespace anonymizer
