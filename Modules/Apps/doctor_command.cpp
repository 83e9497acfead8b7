// SPDX-License-Identifier: Apache-2.0
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcuid.h>
#include <itkConfigure.h>
#include <itkVersion.h>
#include <vtkVersion.h>

#include <iostream>

#include "commands.h"
#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/core/process.h"
#include "oncotome/engine/backend.h"

namespace oncotome::apps {
namespace {

using json = nlohmann::ordered_json;

json cpu_features() {
  json features = json::array();
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) features.push_back("avx2");
  if (__builtin_cpu_supports("fma")) features.push_back("fma");
  if (__builtin_cpu_supports("avx512f")) features.push_back("avx512f");
  if (__builtin_cpu_supports("avx512vnni")) features.push_back("avx512vnni");
  if (__builtin_cpu_supports("avx512bf16")) features.push_back("avx512bf16");
#endif
  return features;
}

json device_row(engine::Device device, const char* name) {
  try {
    const auto backend = engine::load_backend(device, 0);
    return {{"device", name}, {"usable", true}, {"backend", backend->name()}, {"where", backend->device()}};
  } catch (const Error& e) {
    return {{"device", name}, {"usable", false}, {"reason", e.what()}};
  }
}

json torch_row() {
  try {
    return {{"usable", true}, {"version", engine::load_torch_backend(engine::Device::cpu, 0)->name()}};
  } catch (const Error& e) {
    return {{"usable", false}, {"reason", e.what()}};
  }
}

// Of each precision that this processor has, kernels and why those before them decline.
json precision_rows() {
  json rows;
  for (const auto precision :
       {engine::Precision::strict, engine::Precision::f32, engine::Precision::bf16, engine::Precision::int8}) {
    try {
      auto& row = rows[engine::precision_name(precision)] = json::array();
      for (const engine::KernelChoice& choice : engine::kernel_choices(precision)) {
        row.push_back({{"convolution", choice.convolution}, {"kernel", choice.kernel}, {"declined", json::object()}});
        for (const auto& [kernel, reason] : choice.declined) row.back()["declined"][kernel] = reason;
      }
    } catch (const Error& e) {
      if (e.code() != ErrorCode::device_unavailable) throw;
      rows.erase(engine::precision_name(precision));
    }
  }
  return rows;
}

void doctor(const Common& common) {
  json j;
  j["versions"] = {{"oncotome", ONCOTOME_VERSION},
                   {"ITK", itk::Version::GetITKVersion()},
                   {"VTK", vtkVersion::GetVTKVersion()},
                   {"DCMTK", OFFIS_DCMTK_VERSION_STRING},
                   {"compiler", __VERSION__}};
  j["cores"] = available_cores();
  j["cpu_features"] = cpu_features();
  j["precisions"] = precision_rows();
  j["torch"] = torch_row();
  j["devices"] = {device_row(engine::Device::cpu, "cpu"), device_row(engine::Device::cuda, "cuda")};
  if (common.json) {
    std::cout << j.dump(2) << '\n';
    return;
  }
  for (const auto& [name, version] : j["versions"].items())
    std::cout << name << ": " << version.get<std::string>() << '\n';
  std::cout << "cores: " << j["cores"] << "\nCPU features:";
  for (const json& feature : j["cpu_features"]) std::cout << ' ' << feature.get<std::string>();
  std::cout << '\n';
  std::cout << "kernels on the CPU (--json tells why others decline):\n";
  for (const auto& [precision, choices] : j["precisions"].items()) {
    std::cout << "precision " << precision << ":\n";
    for (const json& choice : choices)
      std::cout << "  " << choice["convolution"].get<std::string>() << ": " << choice["kernel"].get<std::string>()
                << '\n';
  }
  const json& torch = j["torch"];
  std::cout << "for TorchScript, and for what no kernel here takes: "
            << torch[torch["usable"].get<bool>() ? "version" : "reason"].get<std::string>() << '\n';
  for (const json& row : j["devices"])
    std::cout << "device " << row["device"].get<std::string>() << ": "
              << (row["usable"].get<bool>() ? "usable, " + row["backend"].get<std::string>()
                                            : "not usable: " + row["reason"].get<std::string>())
              << '\n';
}

}  // namespace

void add_doctor(CLI::App& app, Common& common) {
  CLI::App* command = app.add_subcommand("doctor", "Tell versions, CPU features and devices");
  command->add_flag("--json", common.json, "As JSON on stdout");
  command->callback([&common] { doctor(common); });
}

}  // namespace oncotome::apps
