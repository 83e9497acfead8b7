// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ATen/ATen.h>

#include <new>
#include <string>

#include "oncotome/core/error.h"

namespace oncotome::torch_backend {

/// Throws Error{out_of_memory, backend_failed} for the text of an error of LibTorch's. It is for developers, so only a
/// line is kept: of TorchScript's, which begin with a trace, the last.
[[noreturn]] inline void fail(std::string what, bool last_line) {
  if (what.find("out of memory") != std::string::npos || what.find("can't allocate memory") != std::string::npos)
    throw Error(ErrorCode::out_of_memory, "not enough memory for the network; free some or choose another device");
  what.erase(what.find_last_not_of('\n') + 1);
  throw Error(ErrorCode::backend_failed,
              "LibTorch failed: " + (last_line ? what.substr(what.rfind('\n') + 1) : what.substr(0, what.find('\n'))));
}

/// The seam where LibTorch's errors become ours.
template <class F>
auto translated(F&& f) {
  try {
    return f();
  } catch (const c10::Error& e) {
    fail(e.what_without_backtrace(), false);
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    fail("out of memory", false);
  } catch (const std::exception& e) {
    fail(e.what(), true);
  }
}

}  // namespace oncotome::torch_backend
