// JavaScript values ↔ C++ values, with checks that name the key.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "bindings/napi_setup.h"
#include "engine/error.h"
#include "engine/script_module.h"
#include "optim/lr_schedule.h"
#include "training/batch.h"

namespace anonymizer {

// Reads members of an object; ERR_INVALID_ARGUMENT names the member that is missing or of another type.
class ObjectReader {
 public:
  ObjectReader(const Napi::Value& value, std::string path);
  bool has(const char* key) const;
  double number(const char* key) const;
  int64_t integer(const char* key) const;
  bool boolean(const char* key) const;
  std::string string(const char* key) const;
  std::vector<std::string> strings(const char* key) const;
  ObjectReader object(const char* key) const;
  Napi::Value raw(const char* key) const;
  const std::string& path() const { return path_; }

 private:
  Napi::Value required(const char* key) const;

  Napi::Object object_;
  std::string path_;
};

// The value that a name stands for; ERR_INVALID_ARGUMENT lists the names there are.
template <typename T>
T one_of(const ObjectReader& reader, const char* key, std::initializer_list<std::pair<const char*, T>> values) {
  const std::string name = reader.string(key);
  std::string known;
  for (const auto& [text, value] : values) {
    if (name == text) return value;
    known += (known.empty() ? "" : ", ") + std::string(text);
  }
  throw CodedError("ERR_INVALID_ARGUMENT",
                   reader.path() + "." + key + " must be one of " + known + ", not '" + name + "'");
}

// { data, shape, dtype } → a tensor with its own memory, so that JavaScript may do with its array what it likes.
at::Tensor tensor_from_host(const Napi::Value& value, const std::string& path);
// A tensor → { data, shape, dtype } on the JavaScript heap.
Napi::Object host_from_tensor(Napi::Env env, const at::Tensor& tensor);

ModelFiles model_files(const ObjectReader& reader);
ScheduleOptions schedule_options(const ObjectReader& reader);
// pixels_optional: for encoding glyphs alone.
Batch batch_from_js(const Napi::Value& value, const std::string& path, bool pixels_optional = false);
CachedInputs cached_from_js(const ObjectReader& reader, int64_t size);
Napi::Object cached_to_js(Napi::Env env, const CachedInputs& cached);
Napi::Object numbers_to_js(Napi::Env env, const std::vector<std::pair<std::string, double>>& values);
std::vector<double> numbers_from_js(const Napi::Value& value, const std::string& path);
std::vector<uint64_t> seeds_from_js(const Napi::Value& value, const std::string& path);

}  // namespace anonymizer
