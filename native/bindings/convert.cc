#include "bindings/convert.h"

#include <ATen/Functions.h>

#include <array>
#include <cmath>
#include <cstring>

#include "engine/error.h"

namespace anonymizer {
namespace {

struct Dtype {
  const char* name;
  at::ScalarType type;
  napi_typedarray_type array;
};

constexpr std::array<Dtype, 8> kDtypes{{{"float32", at::kFloat, napi_float32_array},
                                        {"float64", at::kDouble, napi_float64_array},
                                        {"float16", at::kHalf, napi_uint16_array},
                                        {"bfloat16", at::kBFloat16, napi_uint16_array},
                                        {"int64", at::kLong, napi_bigint64_array},
                                        {"int32", at::kInt, napi_int32_array},
                                        {"uint8", at::kByte, napi_uint8_array},
                                        {"bool", at::kBool, napi_uint8_array}}};

[[noreturn]] void invalid(const std::string& path, const std::string& what) {
  throw CodedError("ERR_INVALID_ARGUMENT", path + " " + what);
}

struct Bytes {
  const void* data;
  size_t elements;
  napi_typedarray_type type;
};

Bytes typed_array(const Napi::Value& value, const std::string& path) {
  if (!value.IsTypedArray()) invalid(path, "must be a typed array");
  const auto array = value.As<Napi::TypedArray>();
  auto buffer = array.ArrayBuffer();
  const auto* base = static_cast<const uint8_t*>(buffer.Data());
  napi_typedarray_type type;
  size_t length;
  napi_get_typedarray_info(value.Env(), value, &type, &length, nullptr, nullptr, nullptr);
  return {base + array.ByteOffset(), length, type};
}

at::Tensor copy_in(const Bytes& bytes, const std::vector<int64_t>& shape, at::ScalarType type,
                   const std::string& path) {
  size_t count = 1;
  for (const int64_t extent : shape) {
    if (extent < 0) invalid(path, "has a negative extent in its shape");
    count *= static_cast<size_t>(extent);
  }
  if (count != bytes.elements) {
    invalid(path, "holds " + std::to_string(bytes.elements) + " values, its shape asks for " + std::to_string(count));
  }
  at::Tensor tensor = at::empty(shape, at::TensorOptions().dtype(type));
  if (count > 0) std::memcpy(tensor.data_ptr(), bytes.data, tensor.nbytes());
  return tensor;
}

at::Tensor byte_images(const ObjectReader& reader, const char* key, const std::vector<int64_t>& shape) {
  const std::string path = reader.path() + "." + key;
  const Bytes bytes = typed_array(reader.raw(key), path);
  if (bytes.type == napi_uint8_array || bytes.type == napi_uint8_clamped_array)
    return copy_in(bytes, shape, at::kByte, path);
  if (bytes.type == napi_float32_array) return copy_in(bytes, shape, at::kFloat, path);
  invalid(path, "must be a Uint8Array or a Float32Array");
}

}  // namespace

ObjectReader::ObjectReader(const Napi::Value& value, std::string path) : path_(std::move(path)) {
  if (!value.IsObject()) invalid(path_, "must be an object");
  object_ = value.As<Napi::Object>();
}

Napi::Value ObjectReader::raw(const char* key) const { return object_.Get(key); }

bool ObjectReader::has(const char* key) const {
  const Napi::Value value = raw(key);
  return !value.IsUndefined() && !value.IsNull();
}

Napi::Value ObjectReader::required(const char* key) const {
  if (!has(key)) invalid(path_ + "." + key, "is missing");
  return raw(key);
}

double ObjectReader::number(const char* key) const {
  const Napi::Value value = required(key);
  if (!value.IsNumber() || !std::isfinite(value.As<Napi::Number>().DoubleValue()))
    invalid(path_ + "." + key, "must be a finite number");
  return value.As<Napi::Number>().DoubleValue();
}

int64_t ObjectReader::integer(const char* key) const {
  const double value = number(key);
  if (value != std::floor(value) || std::abs(value) > 9007199254740991.0)
    invalid(path_ + "." + key, "must be an integer");
  return static_cast<int64_t>(value);
}

bool ObjectReader::boolean(const char* key) const {
  const Napi::Value value = required(key);
  if (!value.IsBoolean()) invalid(path_ + "." + key, "must be true or false");
  return value.As<Napi::Boolean>().Value();
}

std::string ObjectReader::string(const char* key) const {
  const Napi::Value value = required(key);
  if (!value.IsString()) invalid(path_ + "." + key, "must be a string");
  return value.As<Napi::String>().Utf8Value();
}

std::vector<std::string> ObjectReader::strings(const char* key) const {
  const Napi::Value value = required(key);
  if (!value.IsArray()) invalid(path_ + "." + key, "must be an array of strings");
  const auto array = value.As<Napi::Array>();
  std::vector<std::string> result;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value element = array.Get(i);
    if (!element.IsString()) invalid(path_ + "." + key, "must be an array of strings");
    result.push_back(element.As<Napi::String>().Utf8Value());
  }
  return result;
}

ObjectReader ObjectReader::object(const char* key) const { return ObjectReader(required(key), path_ + "." + key); }

at::Tensor tensor_from_host(const Napi::Value& value, const std::string& path) {
  const ObjectReader reader(value, path);
  const std::string name = reader.string("dtype");
  const Napi::Value shape_value = reader.raw("shape");
  if (!shape_value.IsArray()) invalid(path + ".shape", "must be an array of integers");
  const auto shape_array = shape_value.As<Napi::Array>();
  std::vector<int64_t> shape;
  for (uint32_t i = 0; i < shape_array.Length(); ++i) {
    const Napi::Value extent = shape_array.Get(i);
    if (!extent.IsNumber()) invalid(path + ".shape", "must be an array of integers");
    shape.push_back(extent.As<Napi::Number>().Int64Value());
  }
  const Bytes bytes = typed_array(reader.raw("data"), path + ".data");
  for (const auto& dtype : kDtypes) {
    if (name != dtype.name) continue;
    if (bytes.type != dtype.array) invalid(path + ".data", "is not the typed array that carries " + name);
    return copy_in(bytes, shape, dtype.type, path);
  }
  invalid(path + ".dtype", "'" + name + "' is not known");
}

Napi::Object host_from_tensor(Napi::Env env, const at::Tensor& tensor) {
  const at::Tensor host = tensor.detach().to(at::kCPU).contiguous();
  for (const auto& dtype : kDtypes) {
    if (host.scalar_type() != dtype.type) continue;
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, host.nbytes());
    if (host.nbytes() > 0) std::memcpy(buffer.Data(), host.data_ptr(), host.nbytes());
    napi_value array;
    napi_create_typedarray(env, dtype.array, static_cast<size_t>(host.numel()), buffer, 0, &array);
    Napi::Array shape = Napi::Array::New(env);
    for (int64_t d = 0; d < host.dim(); ++d)
      shape.Set(static_cast<uint32_t>(d), Napi::Number::New(env, static_cast<double>(host.size(d))));
    Napi::Object result = Napi::Object::New(env);
    result.Set("data", Napi::Value(env, array));
    result.Set("shape", shape);
    result.Set("dtype", Napi::String::New(env, dtype.name));
    return result;
  }
  throw CodedError("ERR_NATIVE", std::string("a tensor of type ") + c10::toString(host.scalar_type()) +
                                     " can't be given to JavaScript");
}

ModelFiles model_files(const ObjectReader& reader) { return {reader.string("graph"), reader.string("weights")}; }

CachedInputs cached_from_js(const ObjectReader& reader, int64_t size) {
  auto tensor = [&](const char* key) {
    if (!reader.has(key)) invalid(reader.path() + "." + key, "is missing");
    return tensor_from_host(reader.raw(key), reader.path() + "." + key);
  };
  CachedInputs cached{tensor("mean"), tensor("logvar"), tensor("masked"), tensor("mask"),
                      reader.has("glyphs") ? tensor("glyphs") : at::Tensor()};
  check_cached(cached, size);
  return cached;
}

Napi::Object cached_to_js(Napi::Env env, const CachedInputs& cached) {
  Napi::Object result = Napi::Object::New(env);
  for (const auto& [key, tensor] : {std::pair{"mean", cached.mean},
                                    {"logvar", cached.logvar},
                                    {"masked", cached.masked},
                                    {"mask", cached.mask},
                                    {"glyphs", cached.glyphs}}) {
    if (tensor.defined()) result.Set(key, host_from_tensor(env, tensor));
  }
  return result;
}

ScheduleOptions schedule_options(const ObjectReader& reader) {
  return {reader.string("type"), reader.integer("warmupSteps"), reader.integer("totalSteps"), reader.integer("cycles")};
}

std::vector<double> numbers_from_js(const Napi::Value& value, const std::string& path) {
  if (!value.IsArray()) invalid(path, "must be an array of numbers");
  const auto array = value.As<Napi::Array>();
  std::vector<double> result;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value element = array.Get(i);
    if (!element.IsNumber()) invalid(path + "[" + std::to_string(i) + "]", "must be a number");
    result.push_back(element.As<Napi::Number>().DoubleValue());
  }
  return result;
}

std::vector<uint64_t> seeds_from_js(const Napi::Value& value, const std::string& path) {
  const Bytes bytes = typed_array(value, path);
  if (bytes.type != napi_biguint64_array) invalid(path, "must be a BigUint64Array");
  std::vector<uint64_t> result(bytes.elements);
  if (!result.empty()) std::memcpy(result.data(), bytes.data, result.size() * sizeof(uint64_t));
  return result;
}

Batch batch_from_js(const Napi::Value& value, const std::string& path, bool pixels_optional) {
  const ObjectReader reader(value, path);
  Batch batch;
  batch.ids = seeds_from_js(reader.raw("ids"), path + ".ids");
  const auto size = static_cast<int64_t>(batch.ids.size());
  if (size == 0) invalid(path, "is empty");
  const int64_t height = reader.integer("height");
  const int64_t width = reader.integer("width");
  if (height < 1 || width < 1) invalid(path, "must have a positive height and width");
  batch.height = height;
  batch.width = width;
  if (reader.has("cached")) batch.cached = cached_from_js(reader.object("cached"), size);
  if (!batch.cached.defined() && (!pixels_optional || reader.has("images")))
    batch.images = byte_images(reader, "images", {size, height, width, 3});
  if (reader.has("masks")) batch.masks = byte_images(reader, "masks", {size, height, width});
  if (reader.has("drafts")) batch.drafts = byte_images(reader, "drafts", {size, height, width, 3});
  if (reader.has("glyphs"))
    batch.glyphs =
        byte_images(reader, "glyphs", {size, reader.integer("glyphHeight"), reader.integer("glyphWidth"), 3});
  if (reader.has("variants")) {
    batch.variants = seeds_from_js(reader.raw("variants"), path + ".variants");
    if (batch.variants.size() != batch.ids.size()) invalid(path + ".variants", "must hold one value for each sample");
  }
  auto fixed = [&](const char* key, at::ScalarType type) {
    if (!reader.has(key)) return at::Tensor();
    return tensor_from_host(reader.raw(key), path + "." + key).to(type);
  };
  batch.posterior_noise = fixed("posteriorNoise", at::kFloat);
  batch.noise = fixed("noise", at::kFloat);
  batch.offset_noise = fixed("offsetNoise", at::kFloat);
  batch.perturbation = fixed("perturbation", at::kFloat);
  batch.timesteps = fixed("timesteps", at::kLong);
  if (batch.timesteps.defined()) {
    if (batch.timesteps.dim() != 1 || batch.timesteps.size(0) != size || batch.timesteps.min().item<int64_t>() < 0 ||
        batch.timesteps.max().item<int64_t>() >= 1000) {
      invalid(path + ".timesteps", "must hold one value in 0 … 999 for each sample");
    }
  }
  return batch;
}

Napi::Object numbers_to_js(Napi::Env env, const std::vector<std::pair<std::string, double>>& values) {
  Napi::Object result = Napi::Object::New(env);
  for (const auto& [name, value] : values) result.Set(name, Napi::Number::New(env, value));
  return result;
}

}  // namespace anonymizer
