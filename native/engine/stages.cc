#include "engine/stages.h"

#include <set>
#include <sstream>

#include "engine/error.h"

namespace anonymizer {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

}  // namespace

std::map<std::string, StagedMethod> parse_stages(const std::string& text, const std::string& path) {
  std::map<std::string, StagedMethod> methods;
  for (const auto& line : split(text, '\n')) {
    const auto words = split(line, ' ');
    if (words.size() < 3 || words.size() > 5)
      throw CodedError("ERR_MODEL_GRAPH", path + ": its stages.txt has a line that is none of a plan: " + line);
    StagedMethod& method = methods[words[0]];
    if (words[1] == "arguments") {
      method.arguments = split(words[2], ',');
    } else if (words[1] == "results") {
      method.results = split(words[2], ',');
    } else {
      method.stages.push_back({words[1], split(words[2], ','), words.size() > 3 ? split(words[3], ',') : split("", ','),
                               words.size() > 4 ? split(words[4], ',') : split("", ',')});
    }
  }
  // Every value is there when it is needed.
  for (const auto& [name, method] : methods) {
    std::set<std::string> known(method.arguments.begin(), method.arguments.end());
    auto require = [&, method_name = name](const std::vector<std::string>& values) {
      for (const auto& value : values) {
        if (known.count(value) == 0)
          throw CodedError("ERR_MODEL_GRAPH", path + ": no stage of " + method_name + " makes '" + value + "' in time");
      }
    };
    for (const auto& stage : method.stages) {
      require(stage.inputs);
      known.insert(stage.outputs.begin(), stage.outputs.end());
    }
    require(method.results);
    if (method.results.empty() || method.stages.empty())
      throw CodedError("ERR_MODEL_GRAPH", path + ": its stages.txt says too little about " + name);
  }
  return methods;
}

}  // namespace anonymizer
