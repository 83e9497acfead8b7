// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace oncotome::cli {

/// Folder of the models that come with the program, by the place of its executable; empty where there is none.
std::string bundled_models();

/// Folder of a model that is named by its path, its folder's name, or the name in its model.json; looked for in
/// `folder` and then among the bundled ones. Throws Error{model_not_found}, and Error{usage} for an empty name, with
/// the names that are known.
std::string find_model(const std::string& name, const std::string& folder);

}  // namespace oncotome::cli
