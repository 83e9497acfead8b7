// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/backend.h"

#include <dlfcn.h>

#include <filesystem>
#include <string>

#include "oncotome/core/error.h"
#include "oncotome/core/parallel.h"

namespace oncotome::engine {
namespace {

// Beside the library that holds this function: the build tree, an installation and a bundle all have it so.
std::filesystem::path own_folder() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&load_backend), &info) == 0 || info.dli_fname == nullptr) return {};
  return std::filesystem::path(info.dli_fname).parent_path();
}

}  // namespace

Device parse_device(const std::string& text) {
  if (text == "auto") return Device::automatic;
  if (text == "cpu") return Device::cpu;
  if (text == "cuda") return Device::cuda;
  throw Error(ErrorCode::usage, "the device must be auto, cpu or cuda, not '" + text + "'");
}

std::shared_ptr<const Backend> load_backend(Device device, int threads) {
  const std::string path = (own_folder() / "liboncotome_torch.so").string();
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    throw Error(ErrorCode::device_unavailable, std::string("the LibTorch backend cannot be loaded: ") + dlerror());
  const auto create = reinterpret_cast<CreateBackend>(dlsym(library, kCreateBackend));
  if (create == nullptr)
    throw Error(ErrorCode::device_unavailable, "liboncotome_torch.so is not of this version; install both together");
  set_compute_threads(threads);
  return std::shared_ptr<const Backend>(create(device, compute_threads()));
}

}  // namespace oncotome::engine
