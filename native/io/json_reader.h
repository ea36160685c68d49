// Just enough JSON to read a safetensors header: a pull reader with bounds checks and a depth limit.
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace anonymizer {

struct JsonError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class JsonReader {
 public:
  explicit JsonReader(const std::string& text) : text_(text) {}
  // Calls `member` with each key; the callback must consume the value.
  void object(const std::function<void(const std::string&)>& member);
  std::string string();
  std::vector<int64_t> integers();
  void skip();
  // Only white space may follow.
  void end();

 private:
  [[noreturn]] void fail(const char* what) const;
  char peek();
  void expect(char c);
  bool accept(char c);

  const std::string& text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace anonymizer
