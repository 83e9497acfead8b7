// SPDX-License-Identifier: Apache-2.0
// Against fixtures/nnunet_window.json, written by Testing/Golden/make_nnunet_window_fixture.py with the real nnunetv2.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "../src/nnunet/accumulators.h"
#include "../src/nnunet/export.h"
#include "oncotome/core/json.h"

namespace {

using namespace oncotome::engine;
using namespace oncotome::engine::nnunet;

const nlohmann::json& fixture() {
  static const auto json = nlohmann::json::parse(std::ifstream(ONCOTOME_FIXTURES "/nnunet_window.json"));
  return json;
}

/// FNV-1a of 64 bits.
template <class T>
std::string hash_of(const std::vector<T>& values) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const T value : values)
    for (std::size_t byte = 0; byte < sizeof(T); ++byte) hash = (hash ^ (value >> 8 * byte & 0xFFU)) * 0x100000001B3U;
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(hash));
  return text.data();
}

TEST(NnunetReference, Importance_maps_have_the_bits_of_compute_gaussian) {
  for (const auto& row : fixture().at("importance")) {
    auto patch = row.at("patch").get<std::vector<std::int64_t>>();
    const bool is_2d = patch.size() == 2;
    if (is_2d) patch.insert(patch.begin(), 1);
    const Tensor map = window_importance({patch[0], patch[1], patch[2]}, is_2d);
    std::vector<std::uint16_t> halves(map.values.size());
    from_float(map.values.data(), halves.data(), halves.size());
    EXPECT_EQ(hash_of(halves), row.at("hash")) << row;
  }
}

TEST(NnunetReference, Tiles_start_where_compute_steps_for_sliding_window_has_them) {
  for (const auto& row : fixture().at("starts"))
    EXPECT_EQ(window_starts(row.at("extent"), row.at("tile"), row.at("step")),
              row.at("starts").get<std::vector<std::int64_t>>());
}

TEST(NnunetReference, Labels_are_those_of_its_resampling_and_label_manager) {
  for (const auto& row : fixture().at("export")) {
    const auto shapes = row.at("shapes").get<std::array<Dhw, 2>>();
    const auto [D, H, W] = shapes[0];
    const int K = row.at("K"), levels = row.at("levels");
    const double unit = row.at("unit");
    const bool regions = row.at("regions");
    Plans plans;
    plans.labels.entries.push_back({"background", {0}});
    for (int k = 1; k < K + regions; ++k) {
      plans.labels.entries.push_back({"", {k}});
      if (regions) plans.labels.regions_class_order.push_back(k);
    }
    Configuration configuration;
    configuration.resample_logits.order = row.value("order", 1);
    if (row.at("function") == "torch") configuration.resample_logits.function = Resampling::Function::torch;
    Case input;
    input.data.shape = {1, D, H, W};
    input.shape = input.crop_size = shapes[1];
    input.target_spacing_mm = row.at("current").get<oncotome::Vec3>();
    input.spacing_mm = row.at("new").get<oncotome::Vec3>();

    Exporter exporter(plans, configuration, input, Accumulators::reference, nullptr);
    for (std::int64_t z = 0; z < D; ++z) {
      std::vector<float> slice;
      for (std::int64_t y = 0; y < H; ++y)
        for (int k = 0; k < K; ++k)
          for (std::int64_t column = -1; column <= W; ++column) {
            const std::int64_t x = std::clamp<std::int64_t>(column, 0, W - 1);
            const auto i = static_cast<std::uint64_t>(((k * D + z) * H + y) * W + x);
            const auto level = static_cast<int>((i * 2654435761U % (1ULL << 32) >> 20) % static_cast<unsigned>(levels));
            const int lead = k == (z / 3 + y / 3 + x / 3) % K ? levels : 0;
            const int centered = level - levels / 2 + lead;
            slice.push_back(static_cast<float>(centered * unit));
          }
      exporter.push(std::move(slice));
    }
    EXPECT_EQ(hash_of(exporter.take_labels()), row.at("hash")) << row;
  }
}

}  // namespace
