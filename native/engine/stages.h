// The pieces of a staged graph and how they fit together (scripts/model_graphs.py writes the plan).
#pragma once

#include <map>
#include <string>
#include <vector>

namespace anonymizer {

struct Stage {
  std::string method;
  std::vector<std::string> inputs, outputs;
  // Names of the modules whose parameters it uses.
  std::vector<std::string> modules;
};

struct StagedMethod {
  std::vector<std::string> arguments, results;
  std::vector<Stage> stages;
};

// Method name → its stages. ERR_MODEL_GRAPH for a text that is no plan.
std::map<std::string, StagedMethod> parse_stages(const std::string& text, const std::string& path);

}  // namespace anonymizer
