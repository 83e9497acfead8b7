// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <map>

#include "commands.h"

namespace oncotome::apps {

void print_geometry(const nlohmann::json& g) {
  const auto& n = g.at("size");
  const auto& s = g.at("spacing_mm");
  std::printf("      %d x %d x %d voxels of %.4g x %.4g x %.4g mm\n", n[0].get<int>(), n[1].get<int>(), n[2].get<int>(),
              s[0].get<double>(), s[1].get<double>(), s[2].get<double>());
}

void add_geometry_option(CLI::App& command, dicom::GeometryPolicy& policy) {
  using dicom::GeometryPolicy;
  std::map<std::string, GeometryPolicy> names;
  for (const GeometryPolicy p : {GeometryPolicy::strict, GeometryPolicy::correct, GeometryPolicy::fill})
    names[dicom::name_of(p)] = p;
  command
      .add_option(
          "--geometry", policy,
          "Slices that make no regular grid: strict refuses them; correct (default) resamples tilted, uneven or "
          "shifted ones; fill interpolates missing ones too")
      ->transform(CLI::CheckedTransformer(names).description("strict, correct or fill"));
}

void add_json_option(CLI::App& command, std::string& file, bool& to_stdout) {
  command
      .add_option_function<std::string>(
          "--json",
          [&file, &to_stdout](const std::string& text) {
            file = text == "-" ? "" : text;
            to_stdout = file.empty();
          },
          "Write JSON to this file (- or nothing: to stdout)")
      ->expected(0, 1);
}

}  // namespace oncotome::apps
