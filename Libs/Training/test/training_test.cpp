// SPDX-License-Identifier: Apache-2.0
#include "oncotome/training/training.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "oncotome/core/draws.h"
#include "oncotome/core/error.h"
#include "oncotome/core/json.h"
#include "oncotome/engine/model_package.h"
#include "oncotome/engine/safetensors.h"
#include "oncotome/engine/weight_file.h"
#include "temporary.h"

extern "C" void oncotome_train(const oncotome::training::Request& request, const oncotome::Job& job,
                               std::string& summary);

namespace oncotome::training {
namespace {

using nlohmann::json;

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// Squares of two sizes in noise, of 20 x 20: the small ones are of class "a". A file says its number and kind.
engine::Tensor picture(const std::string& path, std::int64_t) {
  const std::string text = text_of(path);
  if (text.empty()) throw Error(ErrorCode::input_unreadable, "it is no picture");
  const bool mask = text[0] == 'm';
  const int number = std::stoi(text.substr(1));
  Draws draws(static_cast<std::uint64_t>(number), Purpose::split, {});
  const int size = number % 2 == 0 ? 5 : 9, top = static_cast<int>(draws.index(10)),
            left = static_cast<int>(draws.index(10));
  engine::Tensor image({1, 1, 1, 20, 20});
  for (int y = 0; y < 20; ++y)
    for (int x = 0; x < 20; ++x) {
      const bool inside = y >= top && y < top + size && x >= left && x < left + size;
      image.values[static_cast<std::size_t>(y) * 20 + static_cast<std::size_t>(x)] =
          mask ? (inside ? 255.0F : 0.0F) : static_cast<float>((inside ? 150 : 20) + draws.index(80));
    }
  return image;
}

struct Training {
  TemporaryFolder folder;
  json config = json::parse(R"({
    "name": "squares", "license": "CC0-1.0", "output": "model", "seed": 3,
    "data": {"manifest": "m.csv", "split": "group", "validation": 0.25, "test": 0.25},
    "network": {"architecture": "unet_classifier", "in_channels": 1, "input_size": [1, 16, 16], "features": [6, 12]},
    "image": {"resize": "squash", "rescale": [0, 255], "mean": [0.5], "std": [0.25]},
    "labels": [{"value": 7, "name": "Square", "category": {"value": "49755003", "scheme": "SCT", "meaning": "Morphologically Altered Structure"},
                "type": {"value": "4147007", "scheme": "SCT", "meaning": "Mass"}, "color": [200, 0, 0], "lesion": true}],
    "class_labels": [0, 7], "classes": [{"name": "a"}, {"name": "b"}],
    "optimizer": {"learning_rate": 0.01, "average": 0.9, "clip_norm": 5}, "schedule": {"warmup_epochs": 1},
    "loss": {"label_smoothing": 0.05, "class_weights": "balanced"},
    "augmentation": {"flip": ["H", "W"], "rotation_degrees": 10, "shift": 0.05, "noise": 0.05, "mixup": 0.2},
    "mirrors": ["W"], "epochs": 8, "batch_size": 8})");
  Request request;
  std::vector<std::string> log;

  explicit Training(int images = 64) {
    std::string manifest = "path,class,mask,group\n";
    for (int i = 0; i < images; ++i) {
      const std::string n = std::to_string(i);
      folder.write("i" + n, "i" + n);
      folder.write("m" + n, "m" + n);
      manifest += "i" + n + "," + (i % 2 == 0 ? "a" : "b") + ",m" + n + ",g" + std::to_string(i / 2) + "\n";
    }
    folder.write("m.csv", manifest);
    request.configuration = folder.path / "c.json";
    request.threads = 2;
    request.read_image = picture;
    request.draw_curves = [](const std::string& path, const std::vector<Curve>& curves) {
      std::ofstream(path) << curves.size();
    };
    request.draw_reliability = [](const std::string& path, const std::vector<Diagram>& diagrams) {
      std::ofstream file(path);
      for (const Diagram& diagram : diagrams)
        file << diagram.title << '\n' << diagram.reliability.expected_error << '\n';
    };
    request.log = [this](const std::string& line) { log.push_back(line); };
  }

  json run(const Job& job = Job()) {
    folder.write("c.json", config.dump());
    std::string summary;
    oncotome_train(request, job, summary);
    return json::parse(summary);
  }

  // Is cancelled when that much is done.
  void run_until(double done) {
    Job* current = nullptr;
    Job job([&](std::string_view stage, double fraction) {
      if (stage == "training" && fraction >= done) current->cancel();
    });
    current = &job;
    run(job);
  }

  ErrorCode refusal(const std::string& part) {
    try {
      run();
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
      EXPECT_FALSE(std::filesystem::exists(model()));
      return e.code();
    }
    ADD_FAILURE() << "nothing was thrown; expected: " << part;
    return ErrorCode::internal;
  }

  std::filesystem::path model() const { return folder.path / "model"; }
  bool has_checkpoint() const { return std::filesystem::exists(folder.path / "model.training/checkpoint.safetensors"); }
};

TEST(Training, Both_heads_learn_and_become_a_package_with_a_card) {
  Training t(128);
  t.config["epochs"] = 20;
  const json summary = t.run();
  EXPECT_GT(summary["measured"]["test"]["dice"]["value"], 0.85);
  EXPECT_GT(summary["measured"]["test"]["accuracy"]["value"], 0.85);
  const engine::ModelPackage package = engine::read_model_package(t.model().string());
  const auto& image = std::get<engine::ImageInference>(package.inference);
  EXPECT_EQ(image.class_labels, (std::vector<std::uint8_t>{0, 7}));
  EXPECT_EQ(image.classes.size(), 2U);
  EXPECT_NEAR(image.temperature, summary["temperature"].get<double>(), 1e-9);
  engine::read_package_weights(package);
  const std::string card = text_of(t.model() / "README.md");
  for (const char* part :
       {"CC0-1.0", "| train | 64 | 32 | 32 | 32 |", "Confusion matrix", "seed 3", "calibration error"})
    EXPECT_NE(card.find(part), std::string::npos) << part << "\n" << card;
  std::istringstream lines(text_of(t.model() / "metrics.jsonl"));
  int epochs = 0;
  for (std::string line; std::getline(lines, line); ++epochs) EXPECT_EQ(json::parse(line)["epoch"], epochs + 1);
  EXPECT_EQ(epochs, 20);
  EXPECT_EQ(text_of(t.model() / "curves.png"), "6");
  std::istringstream diagrams(text_of(t.model() / "reliability.png"));
  std::string title;
  const json& validation = summary["measured"]["validation"];
  for (const double error : {validation["ece_uncalibrated"].get<double>(), validation["ece"]["value"].get<double>()}) {
    std::getline(diagrams, title);
    EXPECT_NE(title.find("temperature"), std::string::npos);
    std::getline(diagrams, title);
    EXPECT_NEAR(std::stod(title), error, 1e-5);
  }
  EXPECT_FALSE(std::filesystem::exists(t.folder.path / "model.training"));
  EXPECT_THROW(t.run(), Error);
  t.request.overwrite = true;
  t.config["epochs"] = 1;
  EXPECT_EQ(t.run()["epochs"], 1);
}

TEST(Training, Ended_at_any_step_and_resumed_it_has_the_same_bits) {
  Training whole;
  whole.run();
  for (const int reports : {3, 11, 14, 22}) {
    Training t;
    t.config["checkpoint_steps"] = reports % 2 == 0 ? 3 : 0;
    int left = reports;
    Job* current = nullptr;
    Job job([&](std::string_view stage, double) {
      if (stage == "training" && --left == 0) current->cancel();
    });
    current = &job;
    EXPECT_THROW(t.run(job), Error);
    EXPECT_FALSE(std::filesystem::exists(t.model()));
    EXPECT_TRUE(t.has_checkpoint());
    EXPECT_EQ(t.refusal("--resume"), ErrorCode::output_exists);
    t.request.resume = true;
    t.run();
    for (const char* file : {"weights.safetensors", "model.json", "README.md"})
      EXPECT_TRUE(text_of(t.model() / file) == text_of(whole.model() / file)) << file << " after " << reports;
  }
}

TEST(Training, Mixed_precision_learns_as_well_and_goes_on_with_the_same_bits) {
  Training whole, t;
  whole.request.precision = t.request.precision = engine::Precision::bf16;
  for (Training* one : {&whole, &t}) one->config["epochs"] = 6;
  EXPECT_GT(whole.run()["measured"]["test"]["dice"]["value"].get<double>(), 0.5);
  EXPECT_THROW(t.run_until(0.4), Error);
  t.request.resume = true;
  t.run();
  EXPECT_TRUE(text_of(t.model() / "weights.safetensors") == text_of(whole.model() / "weights.safetensors"));

  Training changed;
  changed.config["epochs"] = 2;
  EXPECT_THROW(changed.run_until(0.4), Error);
  changed.request.precision = engine::Precision::bf16;
  changed.request.resume = true;
  changed.run();
  EXPECT_EQ(std::count(changed.log.begin(), changed.log.end(),
                       "the device or the precision changed since: this is not the result of one run"),
            1);
}

TEST(Training, A_refit_learns_from_the_validation_part_too_and_changes_no_figure) {
  Training plain, refitted, resumed;
  for (Training* one : {&plain, &refitted, &resumed}) one->config["epochs"] = 3;
  for (Training* one : {&refitted, &resumed}) one->config["refit_epochs"] = 2;
  const json before = plain.run(), after = refitted.run();
  EXPECT_EQ(before["measured"], after["measured"]);
  EXPECT_EQ(before["best_epoch"], after["best_epoch"]);
  EXPECT_EQ(after["epochs"], 5);
  EXPECT_TRUE(text_of(plain.model() / "weights.safetensors") != text_of(refitted.model() / "weights.safetensors"));
  EXPECT_NE(text_of(refitted.model() / "README.md").find("2 epochs more with the images of the validation part"),
            std::string::npos);
  // 32 images in batches of 8, then 48: ended in the refit's second epoch.
  EXPECT_THROW(resumed.run_until(0.85), Error);
  resumed.request.resume = true;
  resumed.run();
  for (const char* file : {"weights.safetensors", "model.json", "README.md"})
    EXPECT_TRUE(text_of(resumed.model() / file) == text_of(refitted.model() / file)) << file;
}

TEST(Training, A_device_that_is_not_there_is_told) {
  Training t;
  t.request.device = engine::Device::cuda;
  try {
    t.run();
    GTEST_SKIP() << "there is a CUDA device";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::device_unavailable);
  }
}

TEST(Training, Threads_and_the_room_for_images_change_nothing_of_the_data) {
  Training t, small;
  t.config["epochs"] = small.config["epochs"] = 1;
  small.config["data"]["cache_mib"] = 0;
  t.run();
  small.run();
  EXPECT_TRUE(text_of(t.model() / "weights.safetensors") == text_of(small.model() / "weights.safetensors"));
}

TEST(Training, Frozen_layers_and_given_weights_stay) {
  Training first;
  first.config["epochs"] = 1;
  first.run();
  Training t;
  t.config["epochs"] = 1;
  t.config["initial"] = {{"weights", (first.model() / "weights.safetensors").string()}, {"frozen", {"encoder"}}};
  t.config["optimizer"].erase("average");
  t.run();
  const engine::Weights before = engine::read_safetensors((first.model() / "weights.safetensors").string());
  const engine::Weights after = engine::read_safetensors((t.model() / "weights.safetensors").string());
  int frozen = 0, learned = 0;
  for (const auto& [name, tensor] : before) {
    const bool same = tensor.values == after.at(name).values;
    const bool is_encoder = name.rfind("encoder", 0) == 0;
    EXPECT_TRUE(same || !is_encoder) << name;
    frozen += is_encoder ? 1 : 0;
    learned += same ? 0 : 1;
  }
  EXPECT_GT(frozen, 5);
  EXPECT_GT(learned, 5);
}

TEST(Training, The_heads_of_lower_stages_teach_and_are_not_written) {
  Training t;
  t.config["network"]["features"] = {4, 6, 8, 10};
  t.config["network"]["deep_supervision"] = true;
  t.config["epochs"] = 2;
  const json summary = t.run();
  std::int64_t values = 0;
  for (const auto& [name, tensor] : engine::read_safetensors((t.model() / "weights.safetensors").string())) {
    EXPECT_NE(name.rfind("deep.", 0), 0U) << name;
    if (name.find(".running_") == std::string::npos) values += static_cast<std::int64_t>(tensor.values.size());
  }
  EXPECT_EQ(summary["parameters"], values);
  engine::read_package_weights(engine::read_model_package(t.model().string()));
  Training other;
  other.config["network"]["features"] = {4, 6, 8, 10};
  other.config["epochs"] = 2;
  other.run();
  EXPECT_NE(text_of(t.model() / "weights.safetensors"), text_of(other.model() / "weights.safetensors"));
  Training small;
  small.config["network"]["features"] = {4, 6, 8};
  small.config["network"]["deep_supervision"] = true;
  EXPECT_EQ(small.refusal("4 stages"), ErrorCode::model_invalid);
  small.config["network"]["architecture"] = "lenet5";
  EXPECT_EQ(small.refusal("lenet5"), ErrorCode::model_invalid);
}

TEST(Training, A_head_of_another_size_begins_anew_and_that_is_told) {
  Training first;
  first.config["epochs"] = 1;
  first.run();
  Training t;
  t.config["epochs"] = 1;
  t.config["initial"] = {{"weights", (first.model() / "weights.safetensors").string()}};
  t.config["classes"].push_back({{"name", "c"}});
  std::string manifest = text_of(t.folder.path / "m.csv");
  for (int i = 100; i < 108; ++i) {
    const std::string n = std::to_string(i);
    t.folder.write("i" + n, "i" + n);
    manifest += "i" + n + ",c,,g" + n + "\n";
  }
  t.folder.write("m.csv", manifest);
  t.config["loss"].erase("class_weights");
  t.run();
  const auto told =
      std::find_if(t.log.begin(), t.log.end(), [](const std::string& l) { return l.find("begun anew") == 0; });
  ASSERT_NE(told, t.log.end());
  EXPECT_NE(told->find("weight"), std::string::npos);
  EXPECT_EQ(told->find("encoder"), std::string::npos) << *told;
}

TEST(Training, A_loss_that_is_not_finite_ends_it_and_the_checkpoint_stays) {
  Training t;
  const json calm = t.config["optimizer"];
  EXPECT_THROW(t.run_until(1.0 / 8), Error);
  t.request.resume = true;
  t.config["optimizer"] = {{"name", "sgd"}, {"learning_rate", 1000}, {"weight_decay", 10}, {"average", 0.9}};
  EXPECT_EQ(t.refusal("not finite in epoch"), ErrorCode::result_not_finite);
  EXPECT_TRUE(t.has_checkpoint());
  t.config["optimizer"] = calm;
  t.run();
  EXPECT_TRUE(std::any_of(t.log.begin(), t.log.end(),
                          [](const std::string& l) { return l.find("configuration changed") != std::string::npos; }));
}

TEST(Training, Patience_ends_it_early) {
  Training t;
  t.config["epochs"] = 50;
  t.config["patience"] = 2;
  t.config["optimizer"] = {{"learning_rate", 0}};
  EXPECT_LT(t.run()["epochs"], 20);
}

TEST(Training, Bad_input_gets_one_line) {
  Training t;
  t.folder.write("i5", "");
  EXPECT_EQ(t.refusal("line 7 of the manifest"), ErrorCode::input_unreadable);
  EXPECT_FALSE(t.has_checkpoint());
  t.folder.write("i5", "i5");
  t.config["class_labels"] = {0, 7, 9};
  EXPECT_EQ(t.refusal("mask holds 255"), ErrorCode::input_unreadable);
  t.config["class_labels"] = {0, 7};
  t.config["network"]["architecture"] = "resnet19";
  EXPECT_EQ(t.refusal("resnet19"), ErrorCode::model_unsupported);
  t.config["network"]["architecture"] = "unet_classifier";
  t.config["initial"] = {{"frozen", {""}}};
  EXPECT_EQ(t.refusal("nothing to learn"), ErrorCode::usage);
  t.config.erase("initial");
  t.config["loss"]["class_weights"] = {1, 2, 3};
  EXPECT_EQ(t.refusal("one weight per class"), ErrorCode::usage);
  t.config.erase("loss");
  t.config["augmentation"]["crop_from"] = {1, 16, std::int64_t{1} << 40};
  EXPECT_EQ(t.refusal("crop_from"), ErrorCode::usage);
  t.folder.write("deep.json", R"({"input": )" + std::string(200000, '[') + std::string(200000, ']') + "}");
  t.request.configuration = t.folder.path / "deep.json";
  EXPECT_EQ(t.refusal("nested too deep"), ErrorCode::usage);
}

TEST(Training, A_checkpoint_whose_state_makes_no_sense_is_not_gone_on_from) {
  Training t;
  EXPECT_THROW(t.run_until(1.0 / 8), Error);
  t.request.resume = true;
  const std::string path = (t.folder.path / "model.training/checkpoint.safetensors").string();
  const engine::Weights weights = engine::read_safetensors(path);
  const json state = json::parse(engine::WeightFile::open(path)->contents()["state"].get<std::string>());
  const auto with = [&](const char* key, const json& value) {
    json changed = state;
    changed[key] = value;
    engine::write_safetensors(path, weights, {{"state", changed.dump()}});
    return t.refusal("state");
  };
  for (const char* key : {"epoch", "step", "steps", "best_epoch", "refit_from"})
    for (const json& value : {json(-1), json(INT64_MAX), json("one"), json(0.5)})
      EXPECT_EQ(with(key, value), ErrorCode::weights_invalid) << key << ' ' << value;
  EXPECT_EQ(with("history", 1), ErrorCode::weights_invalid);
  EXPECT_EQ(with("epoch", json::parse(std::string(100, '[') + std::string(100, ']'))), ErrorCode::weights_invalid);
}

TEST(Training, Changed_images_are_not_trained_on_from_an_old_checkpoint) {
  Training t;
  EXPECT_THROW(t.run_until(1.0 / 8), Error);
  t.folder.write("i5", "i500001");
  t.request.resume = true;
  EXPECT_EQ(t.refusal("changed since the checkpoint"), ErrorCode::usage);
  EXPECT_TRUE(t.has_checkpoint());
}

}  // namespace
}  // namespace oncotome::training
