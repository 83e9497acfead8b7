// SPDX-License-Identifier: Apache-2.0
// Each stage against what the real nnU-Net v2 made of toy models;
// Testing/Golden/make_nnunet_fixtures.py tells how.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "nnunet/case.h"
#include "nnunet/predict.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/model_package.h"
#include "oncotome/engine/weight_file.h"

namespace {

using namespace oncotome::engine;
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

const fs::path kFolder = fs::path(ONCOTOME_FIXTURES) / "nnunet";

Json read_json(const fs::path& path) { return Json::parse(std::ifstream(path)); }

struct GoldenCase {
  Json run;  // Of cases.json.
  std::string name;
};

std::vector<GoldenCase> golden_cases() {
  std::vector<GoldenCase> out;
  for (const Json& run : read_json(kFolder / "cases.json")) {
    if (run["stages"].is_null()) continue;
    for (const auto& file : fs::directory_iterator(kFolder / run["stages"].get<std::string>()))
      out.push_back({run, file.path().stem().string()});
  }
  return out;
}

std::string test_name(const testing::TestParamInfo<GoldenCase>& info) {
  std::string name = info.param.run["labels"].get<std::string>() + "_" + info.param.name;
  name.replace(name.find("/predicted"), 10, "");
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

class NnunetStages : public testing::TestWithParam<GoldenCase> {
 protected:
  NnunetStages()
      : stage_(stage_of(GetParam().run)),
        stages_(open_stages(GetParam().run["stages"].get<std::string>())),
        about_(Json::parse(stages_->contents().at("case").get<std::string>())) {}

  static NnUnetStage stage_of(const Json& run) {
    ModelOptions options;
    options.folds = run["folds"].get<std::vector<std::string>>();
    options.mirroring = run["mirror"];
    options.previous_labels_given = !run["previous"].is_null();
    const auto package = read_model_package((kFolder / run["model"].get<std::string>()).string(), options);
    return std::get<NnUnetInference>(package.inference).ensemble.at(0);
  }

  std::unique_ptr<WeightFile> open_stages(const std::string& folder) const {
    return WeightFile::open((kFolder / folder / (GetParam().name + ".safetensors")).string());
  }
  static std::vector<std::uint8_t> bytes(const Tensor& t) { return {t.values.begin(), t.values.end()}; }
  static Dhw dhw(const Json& json) { return {json[0], json[1], json[2]}; }

  /// What preprocessing must find, with the stored data.
  nnunet::Case stored_case() const {
    nnunet::Case out;
    out.data = stages_->read("preprocessed");
    out.shape = dhw(about_["shape"]);
    for (std::size_t i = 0; i < 3; ++i) {
      out.crop_first[i] = about_["box"][i][0];
      out.crop_size[i] = about_["box"][i][1].get<std::int64_t>() - out.crop_first[i];
      out.spacing_mm[i] = about_["spacing"][plans_.transpose_forward[i]];
    }
    const std::size_t kept = 3 - configuration_.spacing_mm.size();
    for (std::size_t i = 0; i < 3; ++i)
      out.target_spacing_mm[i] = i < kept ? out.spacing_mm[i] : configuration_.spacing_mm[i - kept];
    return out;
  }

  std::unique_ptr<Executable> network(const Backend& backend, const std::string& checkpoint) const {
    Weights weights = WeightFile::open(checkpoint)->read_all("network_weights");
    fit_conv_unet_weights(configuration_.network, weights);
    return backend.compile(build_conv_unet(configuration_.network), weights);
  }

  using Folds = std::vector<std::unique_ptr<Executable>>;
  Folds networks(const Backend& backend) const {
    Folds out;
    for (const std::string& checkpoint : stage_.checkpoints) out.push_back(network(backend, checkpoint));
    return out;
  }
  nnunet::Prediction prediction(const Folds& folds) const {
    nnunet::Prediction out;
    for (const auto& fold : folds) out.folds.push_back(fold.get());
    out.mirror_axes = stage_.mirror_axes;
    out.step = GetParam().run["step"];
    return out;
  }
  /// The configuration of a network whose patch is the whole grid, or slice.
  nnunet::Configuration one_tile(const nnunet::Case& input) const {
    nnunet::Configuration out = configuration_;
    for (std::size_t i = out.is_2d() ? 1 : 0; i < 3; ++i) out.patch_size[i] = input.data.shape[i + 1];
    return out;
  }

  static std::size_t differing(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < b.size(); ++i) count += a.at(i) != b[i];
    return count;
  }

  static void expect_near(const Tensor& got, const Tensor& want, double tolerance) {
    ASSERT_EQ(got.shape, want.shape);
    double greatest = 0, difference = 0;
    for (std::size_t i = 0; i < want.values.size(); ++i) {
      greatest = std::max(greatest, std::abs(static_cast<double>(want.values[i])));
      difference = std::max(difference, std::abs(static_cast<double>(want.values[i]) - got.values[i]));
    }
    char text[32];
    std::snprintf(text, sizeof text, "%.3g", difference / greatest);
    RecordProperty("relative_difference", text);
    EXPECT_LE(difference, tolerance * greatest);
  }

  const NnUnetStage stage_;
  const nnunet::Plans& plans_ = stage_.plans;
  const nnunet::Configuration& configuration_ = stage_.configuration;
  std::unique_ptr<WeightFile> stages_;
  Json about_;
};

TEST_P(NnunetStages, Preprocessing_is_that_of_nnunet) {
  std::vector<std::uint8_t> previous;
  if (const Json& before = GetParam().run["previous"]; !before.is_null()) {
    std::string folder = before.get<std::string>();
    folder.replace(folder.find("predicted"), 9, "stages");
    previous = bytes(open_stages(folder)->read("labels"));
  }
  oncotome::Vec3 spacing{};
  for (std::size_t i = 0; i < 3; ++i) spacing[i] = about_["spacing"][i];
  const nnunet::Case got = nnunet::preprocess(plans_, configuration_, stages_->read("image"), spacing,
                                              previous.empty() ? nullptr : &previous, oncotome::Job());
  const nnunet::Case want = stored_case();
  EXPECT_EQ(got.shape, want.shape);
  EXPECT_EQ(got.crop_first, want.crop_first);
  EXPECT_EQ(got.crop_size, want.crop_size);
  EXPECT_EQ(got.spacing_mm, want.spacing_mm);
  EXPECT_EQ(got.target_spacing_mm, want.target_spacing_mm);
  expect_near(got.data, want.data, 1e-6);
}

TEST_P(NnunetStages, The_network_gives_the_logits_of_the_first_tile) {
  const Tensor data = stages_->read("preprocessed");
  const auto& patch = configuration_.patch_size;
  Tensor tile({1, data.shape[0], patch[0], patch[1], patch[2]});
  std::size_t at = 0;
  Dhw before{};
  for (std::size_t i = 0; i < 3; ++i) before[i] = std::max<std::int64_t>(0, patch[i] - data.shape[i + 1]) / 2;
  for (std::int64_t c = 0; c < data.shape[0]; ++c)
    for (std::int64_t z = -before[0]; z < patch[0] - before[0]; ++z)
      for (std::int64_t y = -before[1]; y < patch[1] - before[1]; ++y)
        for (std::int64_t x = -before[2]; x < patch[2] - before[2]; ++x, ++at)
          if (z >= 0 && z < data.shape[1] && y >= 0 && y < data.shape[2] && x >= 0 && x < data.shape[3])
            tile.values[at] = data.values[static_cast<std::size_t>(
                ((c * data.shape[1] + z) * data.shape[2] + y) * data.shape[3] + x)];
  Tensor want = stages_->read("tile");
  want.shape = {1, want.shape[0], patch[0], patch[1], patch[2]};
  const auto backend = load_backend(Device::cpu, 1);
  expect_near(network(*backend, stage_.checkpoints[0])->run(tile, oncotome::Job()), want, 2e-5);
}

// Gives out stored logits, slice by slice of a 2-D network.
class Stored : public Executable {
 public:
  explicit Stored(Tensor logits) : logits_(std::move(logits)) {}

  Tensor run(const Tensor& input, const oncotome::Job& /*job*/) const override {
    const std::int64_t heads = logits_.shape[0], depth = logits_.shape[1];
    Tensor out({1, heads, input.shape[2], input.shape[3], input.shape[4]});
    const std::size_t whole = logits_.values.size() / static_cast<std::size_t>(heads);
    const std::size_t part = out.values.size() / static_cast<std::size_t>(heads);
    const std::size_t first = part == whole ? 0 : part * (next_++ % static_cast<std::size_t>(depth));
    for (std::size_t k = 0; k < static_cast<std::size_t>(heads); ++k)
      std::copy_n(logits_.values.begin() + static_cast<std::ptrdiff_t>(k * whole + first), part,
                  out.values.begin() + static_cast<std::ptrdiff_t>(k * part));
    return out;
  }

 private:
  Tensor logits_;
  mutable std::atomic<std::size_t> next_{0};
};

TEST_P(NnunetStages, Logits_become_the_labels_of_nnunet) {
  const Stored stored(stages_->read("logits"));
  const nnunet::Case input = stored_case();
  const nnunet::Prediction whole{{&stored}, {}, 1.0, false};
  const std::vector<std::uint8_t> want = bytes(stages_->read("labels"));
  EXPECT_EQ(differing(nnunet::predict_labels(whole, plans_, one_tile(input), input, oncotome::Job()), want), 0U);
}

TEST_P(NnunetStages, Summed_logits_are_those_of_nnunet_but_for_roundings_of_the_network) {
  nnunet::Case on_grid = stored_case();
  on_grid.shape = on_grid.crop_size = {on_grid.data.shape[1], on_grid.data.shape[2], on_grid.data.shape[3]};
  on_grid.crop_first = {};
  on_grid.spacing_mm = on_grid.target_spacing_mm;
  const auto backend = load_backend(Device::cpu, 1);
  const auto folds = networks(*backend);
  std::vector<float> got, want;
  nnunet::predict_labels(prediction(folds), plans_, configuration_, on_grid, oncotome::Job(), &got);
  const Stored stored(stages_->read("logits"));
  nnunet::predict_labels({{&stored}, {}, 1.0, false}, plans_, one_tile(on_grid), on_grid, oncotome::Job(), &want);
  ASSERT_EQ(got.size(), want.size());
  std::size_t equal = 0, far = 0;
  double greatest = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double difference = std::abs(static_cast<double>(got[i]) - want[i]);
    equal += got[i] == want[i];
    far += difference > 5e-3 ? 1 : 0;
    greatest = std::max(greatest, difference);
  }
  const double share = static_cast<double>(equal) / static_cast<double>(want.size());
  RecordProperty("equal_share", std::to_string(share));
  EXPECT_GE(share, 0.95);
  // Probabilities: where large logits of several tiles cancel, half precision rounds some 0.05 of a logit away.
  EXPECT_LE(far, 4U);
  EXPECT_LE(greatest, 2e-2);
}

TEST_P(NnunetStages, The_whole_prediction_gives_the_labels_of_nnunet) {
  const auto backend = load_backend(Device::cpu, 1);
  const auto folds = networks(*backend);
  const std::vector<std::uint8_t> want = bytes(stages_->read("labels"));
  const std::size_t differ = differing(
      nnunet::predict_labels(prediction(folds), plans_, configuration_, stored_case(), oncotome::Job()), want);
  RecordProperty("differing_voxels", std::to_string(differ));
  EXPECT_LE(static_cast<double>(differ), std::max(1.0, 1e-4 * static_cast<double>(want.size())));
}

INSTANTIATE_TEST_SUITE_P(Fixtures, NnunetStages, testing::ValuesIn(golden_cases()), test_name);

}  // namespace
