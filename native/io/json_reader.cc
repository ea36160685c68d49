#include "io/json_reader.h"

#include <limits>

namespace anonymizer {
namespace {
constexpr int kMaxDepth = 32;

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xe0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}
}  // namespace

void JsonReader::fail(const char* what) const {
  throw JsonError(std::string(what) + " at byte " + std::to_string(at_));
}

char JsonReader::peek() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
    ++at_;
  return at_ < text_.size() ? text_[at_] : '\0';
}

void JsonReader::expect(char c) {
  if (peek() != c) fail("unexpected character");
  ++at_;
}

bool JsonReader::accept(char c) {
  if (peek() != c) return false;
  ++at_;
  return true;
}

void JsonReader::object(const std::function<void(const std::string&)>& member) {
  if (++depth_ > kMaxDepth) fail("too deep");
  expect('{');
  if (!accept('}')) {
    do {
      const std::string key = string();
      expect(':');
      member(key);
    } while (accept(','));
    expect('}');
  }
  --depth_;
}

std::string JsonReader::string() {
  expect('"');
  std::string out;
  while (true) {
    if (at_ >= text_.size()) fail("unterminated string");
    const char c = text_[at_++];
    if (c == '"') return out;
    if (c != '\\') {
      out += c;
      continue;
    }
    if (at_ >= text_.size()) fail("unterminated string");
    const char escape = text_[at_++];
    switch (escape) {
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case 'r':
        out += '\r';
        break;
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'u': {
        if (at_ + 4 > text_.size()) fail("short escape");
        uint32_t code = 0;
        for (int i = 0; i < 4; ++i) {
          const char h = text_[at_++];
          const int digit = h >= '0' && h <= '9'   ? h - '0'
                            : h >= 'a' && h <= 'f' ? h - 'a' + 10
                            : h >= 'A' && h <= 'F' ? h - 'A' + 10
                                                   : -1;
          if (digit < 0) fail("bad escape");
          code = code * 16 + static_cast<uint32_t>(digit);
        }
        append_utf8(out, code);
        break;
      }
      case '"':
      case '\\':
      case '/':
        out += escape;
        break;
      default:
        fail("bad escape");
    }
  }
}

std::vector<int64_t> JsonReader::integers() {
  std::vector<int64_t> out;
  expect('[');
  if (accept(']')) return out;
  do {
    if (peek() < '0' || peek() > '9') fail("expected a non-negative integer");
    int64_t value = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      if (value > std::numeric_limits<int64_t>::max() / 10 - 1) fail("number too large");
      value = value * 10 + (text_[at_++] - '0');
    }
    out.push_back(value);
  } while (accept(','));
  expect(']');
  return out;
}

void JsonReader::skip() {
  const char c = peek();
  if (c == '"') {
    string();
  } else if (c == '{') {
    object([this](const std::string&) { skip(); });
  } else if (c == '[') {
    if (++depth_ > kMaxDepth) fail("too deep");
    expect('[');
    if (!accept(']')) {
      do skip();
      while (accept(','));
      expect(']');
    }
    --depth_;
  } else {
    const size_t start = at_;
    while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '}' && text_[at_] != ']') ++at_;
    if (at_ == start) fail("expected a value");
  }
}

void JsonReader::end() {
  if (peek() != '\0' || at_ < text_.size()) fail("text after the end");
}

}  // namespace anonymizer
