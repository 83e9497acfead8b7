// SPDX-License-Identifier: Apache-2.0
#include "oncotome/engine/backend.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <string>

#include "../native/backend.h"
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

bool has_cuda_driver() {
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (driver) dlclose(driver);
  return driver != nullptr;
}

// Whether the host, such as a Python with PyTorch, has brought a LibTorch of another name than ours has. (Two builds of
// one name are not told apart, nor is one that comes later.)
bool has_other_libtorch() {
  bool other = false;
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* found) {
        const std::string name = std::filesystem::path(info->dlpi_name).filename();
        if (name.rfind("libtorch_cpu.so", 0) == 0 && name != ONCOTOME_LIBTORCH_CPU) *static_cast<bool*>(found) = true;
        return 0;
      },
      &other);
  return other;
}

constexpr const char* kPrecisions[] = {"strict", "f32", "bf16", "int8"};

}  // namespace

std::unique_ptr<Derivative> Executable::differentiate(const Tensor&, const Differentiation&, const Job&) const {
  throw Error(ErrorCode::internal, "this backend differentiates nothing");
}

Device parse_device(const std::string& text) {
  if (text == "auto") return Device::automatic;
  if (text == "cpu") return Device::cpu;
  if (text == "cuda") return Device::cuda;
  throw Error(ErrorCode::usage, "the device must be auto, cpu or cuda, not '" + text + "'");
}

Precision parse_precision(const std::string& text) {
  const auto* const found = std::find(std::begin(kPrecisions), std::end(kPrecisions), text);
  if (found == std::end(kPrecisions))
    throw Error(ErrorCode::usage, "the precision must be strict, f32, bf16 or int8, not '" + text + "'");
  return static_cast<Precision>(found - std::begin(kPrecisions));
}

const char* precision_name(Precision precision) { return kPrecisions[static_cast<std::size_t>(precision)]; }

std::shared_ptr<const Backend> load_backend(Device device, int threads, Precision precision) {
  if (device == Device::cuda || (device == Device::automatic && has_cuda_driver())) {
    std::shared_ptr<const Backend> torch;
    try {
      torch = load_torch_backend(device, threads);
    } catch (const Error&) {
      if (device == Device::cuda) throw;
    }
    const bool on_cuda = torch && torch->device() != "cpu";
    if (on_cuda && precision != Precision::f32 && precision != Precision::strict)
      throw Error(ErrorCode::device_unavailable, std::string("a CUDA device has no ") + precision_name(precision) +
                                                     " here; choose --device cpu or --precision f32");
    if (on_cuda) return torch;
  }
  set_compute_threads(threads);
  native::Options options;
  options.precision = precision;
  options.isa = std::getenv("ONCOTOME_FORCE_ISA");
  options.threads = compute_threads();
  return native::make_backend(options);
}

void* library_function(const std::string& library, const std::string& symbol) {
  // Both in one process would end it.
  if (has_other_libtorch())
    throw Error(ErrorCode::device_unavailable,
                library +
                    " needs a LibTorch of its own, and this process has loaded another (PyTorch); choose --device "
                    "cpu, or run in a process without it");
  void* loaded = dlopen((own_folder() / library).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (loaded == nullptr) throw Error(ErrorCode::device_unavailable, library + " cannot be loaded: " + dlerror());
  void* function = dlsym(loaded, symbol.c_str());
  if (function == nullptr)
    throw Error(ErrorCode::device_unavailable, library + " is not of this version; install both together");
  return function;
}

std::shared_ptr<const Backend> load_torch_backend(Device device, int threads) {
  const auto create = reinterpret_cast<CreateBackend>(library_function("liboncotome_torch.so", kCreateBackend));
  set_compute_threads(threads);
  return std::shared_ptr<const Backend>(create(device, compute_threads()));
}

}  // namespace oncotome::engine
