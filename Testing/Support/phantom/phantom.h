// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "oncotome/core/volume.h"

namespace oncotome::testing {

struct PhantomOptions {
  std::uint64_t seed = 1;
  int tumors = -1;        ///< 0 to 3; -1 lets the seed choose 1 to 3.
  double spacing_mm = 2;  ///< Isotropic, 0.5 to 4; the field of view stays 192 x 224 x 160 mm.
};

/// A made-up brain MR examination, skull-stripped, with its exact truth. All on one axial LPS grid.
struct Phantom {
  Volume<float> flair, t1, t1ce, t2;  ///< Integers 1 to 4095 in the brain, 0 outside it.
  LabelVolume
      truth;  ///< 0 none, 1 necrotic or non-enhancing core, 2 edema, 4 enhancing; one 26-connected part per tumor.
};

/// The same options give the same bytes on every platform. Throws Error{usage} on options out of range.
Phantom make_phantom(const PhantomOptions& options);

}  // namespace oncotome::testing
