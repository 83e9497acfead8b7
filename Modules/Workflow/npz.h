// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace oncotome::workflow {

/// Writes one float32 array, last axis fastest, as NumPy's savez_compressed does. Throws Error{output_unwritable}.
void write_npz(const std::string& path, const std::string& name, const std::vector<std::int64_t>& shape,
               const std::vector<float>& values);

}  // namespace oncotome::workflow
