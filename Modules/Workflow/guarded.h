// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <new>
#include <string>

#include "itkOncotomeBridge.h"
#include "oncotome/core/error.h"

namespace oncotome::workflow {

/// What comes out of the work is an Error, which names no path; of the file system's, one of that code.
template <class F>
auto guarded(ErrorCode of_files, const F& work) {
  try {
    return work();
  } catch (const itk::OncotomeException& e) {
    throw Error(e.GetError());
  } catch (const itk::ProcessAborted&) {
    throw Error(ErrorCode::cancelled, "cancelled");
  } catch (const itk::MemoryAllocationError&) {
    throw Error(ErrorCode::out_of_memory, "not enough memory");
  } catch (const itk::ExceptionObject& e) {
    throw Error(ErrorCode::internal, std::string("ITK failed in ") + e.GetLocation());
  } catch (const std::filesystem::filesystem_error& e) {
    throw Error(of_files, "a file operation failed: " + e.code().message());
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "not enough memory");
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    throw Error(ErrorCode::internal, e.what());
  }
}

}  // namespace oncotome::workflow
