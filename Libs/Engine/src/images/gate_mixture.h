// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/engine/image_gate.h"

namespace oncotome::engine {

/// Normal distributions that rows of features are drawn from, one for every 8 rows per feature, at most four
/// (expectation maximization, doi 10.1111/j.2517-6161.1977.tb01600.x). The same rows give the same bits.
std::vector<ImageGate::Component> fit_mixture(const std::vector<std::vector<double>>& rows);

/// As gate_distance() has it.
double mixture_distance(const std::vector<ImageGate::Component>& components, const std::vector<double>& features);

}  // namespace oncotome::engine
