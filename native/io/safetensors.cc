#include "io/safetensors.h"

#include <ATen/Functions.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>

#include "engine/error.h"
#include "io/json_reader.h"

namespace anonymizer {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;  // the reference implementation's limit

struct DtypeName {
  const char* name;
  at::ScalarType type;
};

constexpr std::array<DtypeName, 10> kDtypes{{{"F64", at::kDouble},
                                             {"F32", at::kFloat},
                                             {"F16", at::kHalf},
                                             {"BF16", at::kBFloat16},
                                             {"I64", at::kLong},
                                             {"I32", at::kInt},
                                             {"I16", at::kShort},
                                             {"I8", at::kChar},
                                             {"U8", at::kByte},
                                             {"BOOL", at::kBool}}};

class File {
 public:
  File(const std::string& path, int flags) : descriptor_(open(path.c_str(), flags | O_CLOEXEC, 0644)) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

bool read_all(int file, void* data, uint64_t size, uint64_t offset) {
  auto* out = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t n = pread(file, out, std::min<uint64_t>(size, 1u << 30), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    out += n;
    offset += static_cast<uint64_t>(n);
    size -= static_cast<uint64_t>(n);
  }
  return true;
}

[[noreturn]] void damaged(const std::string& path, const std::string& why) {
  throw CodedError("ERR_MODEL_WEIGHTS", path + " is damaged: " + why);
}

at::ScalarType parse_dtype(const std::string& path, const std::string& name) {
  for (const auto& known : kDtypes) {
    if (name == known.name) return known.type;
  }
  damaged(path, "dtype '" + name + "' is not known");
}

const char* dtype_name(at::ScalarType type) {
  for (const auto& known : kDtypes) {
    if (type == known.type) return known.name;
  }
  throw CodedError("ERR_NATIVE",
                   std::string("a tensor of type ") + c10::toString(type) + " can't be written to safetensors");
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char buffer[8];
      snprintf(buffer, sizeof buffer, "\\u%04x", c);
      out += buffer;
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

std::vector<std::pair<std::string, at::Tensor>> read_safetensors(const std::string& path) {
  File file(path, O_RDONLY);
  struct stat info{};
  if (file.get() < 0 || fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    throw CodedError("ERR_MODEL_NOT_FOUND", path + " does not exist or can't be read");
  }
  const auto file_size = static_cast<uint64_t>(info.st_size);
  uint64_t header_size = 0;
  if (file_size < 8 || !read_all(file.get(), &header_size, 8, 0)) damaged(path, "it is shorter than its header");
  if (header_size > kMaxHeader || header_size > file_size - 8) damaged(path, "the header is longer than the file");
  std::string header(header_size, '\0');
  if (!read_all(file.get(), header.data(), header_size, 8)) damaged(path, "the header can't be read");

  std::vector<std::pair<std::string, at::Tensor>> result;
  const uint64_t data_size = file_size - 8 - header_size;
  uint64_t covered = 0;
  try {
    JsonReader json(header);
    json.object([&](const std::string& name) {
      if (name == "__metadata__") return json.skip();
      std::string dtype;
      std::vector<int64_t> shape;
      std::vector<int64_t> offsets;
      json.object([&](const std::string& key) {
        if (key == "dtype")
          dtype = json.string();
        else if (key == "shape")
          shape = json.integers();
        else if (key == "data_offsets")
          offsets = json.integers();
        else
          json.skip();
      });
      const at::ScalarType type = parse_dtype(path, dtype);
      if (offsets.size() != 2 || offsets[0] < 0 || offsets[1] < offsets[0] ||
          static_cast<uint64_t>(offsets[1]) > data_size) {
        damaged(path, "the bytes of '" + name + "' lie outside the file");
      }
      uint64_t count = 1;
      for (const int64_t extent : shape) {
        if (extent < 0 || (extent > 0 && count > (uint64_t{1} << 60) / static_cast<uint64_t>(extent)))
          damaged(path, "'" + name + "' has an impossible shape");
        count *= static_cast<uint64_t>(extent);
      }
      const auto bytes = static_cast<uint64_t>(offsets[1] - offsets[0]);
      if (bytes != count * c10::elementSize(type)) damaged(path, "'" + name + "' has not the size its shape says");
      at::Tensor tensor = at::empty(shape, at::TensorOptions().dtype(type));
      if (bytes > 0 &&
          !read_all(file.get(), tensor.data_ptr(), bytes, 8 + header_size + static_cast<uint64_t>(offsets[0]))) {
        damaged(path, "the bytes of '" + name + "' can't be read");
      }
      covered += bytes;
      result.emplace_back(name, std::move(tensor));
    });
    json.end();
  } catch (const JsonError& error) {
    damaged(path, std::string("the header is not valid JSON: ") + error.what());
  }
  if (covered != data_size) damaged(path, "it holds bytes that belong to no tensor");
  return result;
}

void write_safetensors(const std::string& path, const std::vector<std::pair<std::string, at::Tensor>>& tensors,
                       const std::vector<std::pair<std::string, std::string>>& metadata) {
  std::string header = "{";
  if (!metadata.empty()) {
    header += "\"__metadata__\":{";
    for (size_t i = 0; i < metadata.size(); ++i) {
      header += (i ? "," : "") + quoted(metadata[i].first) + ":" + quoted(metadata[i].second);
    }
    header += "}";
  }
  // Sorted by name: the same weights give the same bytes.
  std::map<std::string, at::Tensor> sorted(tensors.begin(), tensors.end());
  uint64_t offset = 0;
  for (const auto& [name, tensor] : sorted) {
    const uint64_t bytes = tensor.nbytes();
    header += (header.size() > 1 ? "," : "") + quoted(name) + ":{\"dtype\":\"" + dtype_name(tensor.scalar_type()) +
              "\",\"shape\":[";
    for (int64_t d = 0; d < tensor.dim(); ++d) header += (d ? "," : "") + std::to_string(tensor.size(d));
    header += "],\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(offset + bytes) + "]}";
    offset += bytes;
  }
  header += "}";
  while ((header.size() + 8) % 8 != 0) header += ' ';

  File file(path, O_WRONLY | O_CREAT | O_TRUNC);
  auto failed = [&](const char* what) {
    throw CodedError("ERR_OUTPUT", path + " can't be " + what + ": " + std::strerror(errno));
  };
  if (file.get() < 0) failed("created");
  auto write_all = [&](const void* data, uint64_t size) {
    const auto* in = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t n = write(file.get(), in, std::min<uint64_t>(size, 1u << 30));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) failed("written");
      in += n;
      size -= static_cast<uint64_t>(n);
    }
  };
  const uint64_t header_size = header.size();
  write_all(&header_size, 8);
  write_all(header.data(), header.size());
  for (const auto& [name, tensor] : sorted) {
    const at::Tensor host = tensor.detach().to(at::kCPU).contiguous();
    write_all(host.data_ptr(), host.nbytes());
  }
  if (fsync(file.get()) != 0) failed("flushed");
}

}  // namespace anonymizer
