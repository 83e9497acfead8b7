// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <iostream>
#include <memory>

#include "class_evaluation.h"
#include "commands.h"
#include "evaluation.h"
#include "oncotome/core/atomic_directory.h"
#include "oncotome/core/error.h"
#include "oncotome/render/reliability_diagram.h"
#include "report_json.h"
#include "terminal.h"
#include "volume_io.h"

namespace oncotome::apps {
namespace {

using nlohmann::json;

struct Options {
  workflow::EvaluationRequest request;
  workflow::EvaluationPair pair;
  std::string pairs_file, json_file, csv_file, picture, part;
  bool replace = false, to_stdout = false;
};

void write_whole(const std::string& place, bool replace, const std::string& text) {
  write_file_atomically(place, replace,
                        [&](const std::filesystem::path& temporary) { workflow::write_text(temporary, text); });
}

std::string number(const json& value, const char* format) {
  if (value.is_null()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, format, value.get<double>());
  return text;
}

void print(const json& evaluation) {
  const auto line = [](const std::string& pair, const std::string& region, const std::vector<std::string>& cells) {
    std::printf("%-12.12s %-20.20s", pair.c_str(), region.c_str());
    for (const std::string& cell : cells) std::printf(" %9s", cell.c_str());
    std::printf("\n");
  };
  line("pair", "region", {"Dice", "surface", "HD95 mm", "MSD mm", "found ml", "truth ml", "lesions", "of", "false+"});
  for (const json& pair : evaluation["pairs"]) {
    for (const json& r : pair["regions"])
      line(
          pair["name"], r["name"],
          {number(r["dice"], "%.4f"), number(r["surface_dice"], "%.4f"), number(r["hd95_mm"], "%.2f"),
           number(r["mean_surface_distance_mm"], "%.3f"), number(r["result_ml"], "%.2f"), number(r["truth_ml"], "%.2f"),
           r["found_lesions"].dump(), r["truth_lesions"].dump(), r["false_positive_lesions"].dump()});
    for (const json& note : pair["notes"]) std::printf("  note: %s\n", note.get<std::string>().c_str());
  }
  if (evaluation["pairs"].size() < 2) return;
  for (const char* which : {"mean", "median", "worst"})
    for (const json& s : evaluation["summary"]) {
      const auto cell = [&](const char* metric, const char* format) {
        return number(s[metric].value(which, json()), format);
      };
      line(which, s["name"],
           {cell("dice", "%.4f"), cell("surface_dice", "%.4f"), cell("hd95_mm", "%.2f"),
            cell("mean_surface_distance_mm", "%.3f")});
    }
}

std::string interval(const json& figure) {
  return number(figure["value"], "%.4f") + " (" + number(figure["ci95"][0], "%.4f") + " to " +
         number(figure["ci95"][1], "%.4f") + ")";
}

void print_classes(const json& e) {
  std::printf("%d images: %d answered, %d refused, %d without a prediction\n", e["images"].get<int>(),
              e["answered"].get<int>(), e["refused"].get<int>(), e["missing"].get<int>());
  if (e["unexpected"] > 0) std::printf("  note: %d predictions have no true class\n", e["unexpected"].get<int>());
  for (const auto& [name, text] : {std::pair("accuracy", "accuracy"), std::pair("mean_recall", "mean recall"),
                                   std::pair("auc", "AUC"), std::pair("ece", "ECE")})
    std::printf("%-12s %s\n", text, interval(e[name]).c_str());
  std::printf("%-20s %7s  %-27s %-27s %s\n", "class", "images", "recall", "precision", "AUC");
  for (const json& c : e["classes"])
    std::printf("%-20.20s %7d  %-27s %-27s %s\n", c["name"].get<std::string>().c_str(), c["images"].get<int>(),
                interval(c["recall"]).c_str(), interval(c["precision"]).c_str(), interval(c["auc"]).c_str());
  std::printf("true class (rows) and answer (columns)\n");
  for (std::size_t k = 0; k < e["classes"].size(); ++k) {
    std::printf("%-20.20s", e["classes"][k]["name"].get<std::string>().c_str());
    for (const json& count : e["confusion"][k]) std::printf(" %7d", count.get<int>());
    std::printf("\n");
  }
}

void draw(const json& evaluation, const std::string& path) {
  render::ReliabilityPanel panel{"Reliability", evaluation["ece"]["value"], {}};
  for (const json& bin : evaluation["reliability"])
    panel.bins.push_back({bin["low"], bin["high"], bin["images"], bin["confidence"], bin["accuracy"]});
  render::write_reliability_diagram(path, {panel});
}

void check_outputs(const Options& o) {
  for (const std::string& output : {o.json_file, o.csv_file, o.picture}) {
    if (output.empty()) continue;
    bool is_input = !o.pairs_file.empty() && lies_in(o.pairs_file, output);
    for (const workflow::EvaluationPair& pair : o.request.pairs)
      is_input = is_input || lies_in(pair.result, output) || lies_in(pair.truth, output);
    if (is_input) throw Error(ErrorCode::usage, "an output file is an input; choose another");
  }
}

bool are_predictions(const Options& o) {
  return workflow::ends_with(o.pair.result, ".csv") && workflow::ends_with(o.pair.truth, ".csv");
}

void run_classes(Options& o, const Common& common) {
  if (!o.pairs_file.empty() || !o.pair.reference.empty() || !o.request.regions.empty())
    throw Error(ErrorCode::usage, "--pairs, --reference and --labels are for segmentations");
  o.request.pairs = {o.pair};
  check_outputs(o);
  const json evaluation = workflow::evaluate_classes({o.pair.result, o.pair.truth, o.part});
  if (!o.json_file.empty()) write_whole(o.json_file, o.replace, workflow::json_text(evaluation));
  if (!o.csv_file.empty()) write_whole(o.csv_file, o.replace, workflow::class_evaluation_csv(evaluation));
  if (!o.picture.empty())
    write_file_atomically(o.picture, o.replace,
                          [&](const std::filesystem::path& temporary) { draw(evaluation, temporary.string()); });
  if (common.json)
    std::cout << workflow::json_text(evaluation);
  else
    print_classes(evaluation);
  std::fflush(stdout);
}

void run(Options& o, const Common& common) {
  if (are_predictions(o)) {
    run_classes(o, common);
    return;
  }
  if (!o.part.empty() || !o.picture.empty())
    throw Error(ErrorCode::usage, "--part and --picture are for predictions of classes: two .csv files");
  if (o.pairs_file.empty() == o.pair.result.empty() || o.pair.result.empty() != o.pair.truth.empty())
    throw Error(ErrorCode::usage, "give RESULT and TRUTH, or a list of them by --pairs");
  if (o.pairs_file.empty()) {
    o.pair.name = "1";
    o.request.pairs = {o.pair};
  } else {
    o.request.pairs = workflow::read_pairs(o.pairs_file);
  }
  check_outputs(o);
  json evaluation;
  {
    const Terminal terminal(common.quiet);
    evaluation = workflow::evaluate(o.request, terminal.job());
  }
  if (!o.json_file.empty()) write_whole(o.json_file, o.replace, workflow::json_text(evaluation));
  if (!o.csv_file.empty()) write_whole(o.csv_file, o.replace, workflow::evaluation_csv(evaluation));
  if (common.json)
    std::cout << workflow::json_text(evaluation);
  else
    print(evaluation);
  std::fflush(stdout);
}

}  // namespace

void add_evaluate(CLI::App& app, Common& common) {
  const auto options = std::make_shared<Options>();
  Options& o = *options;
  CLI::App* command = app.add_subcommand("evaluate", "Compare segmentations or classes with their truth");
  command->add_option("RESULT", o.pair.result,
                      "NIfTI, NRRD, DICOM SEG or RT Structure Set; or predictions.csv as classify writes it");
  command->add_option(
      "TRUTH", o.pair.truth,
      "The same, resampled to the result's grid where that differs; or a CSV list with the columns path, "
      "class and, optional, group (of images that belong together, such as a patient's) and part");
  command->add_option("--pairs", o.pairs_file,
                      "CSV list of pairs instead: columns result, truth and, optional, reference, name");
  command->add_option("--reference", o.pair.reference,
                      "Folder of the series whose grid a structure set is put on (default: the other side's)");
  command
      ->add_option("--labels", o.request.regions,
                   "NAME=PARTS[:TRUTH_PARTS], parts (label values, segment or ROI numbers, names) joined by +; may be "
                   "repeated (default: each label or name on both sides, and all)")
      ->allow_extra_args(false);
  command->add_option("--tolerance", o.request.options.tolerance_mm, "Of surface Dice, in mm (1)")
      ->check(CLI::Range(0.0, 1000.0));
  command
      ->add_option("--lesion-overlap", o.request.options.lesion_overlap,
                   "Share of a lesion, 0 to 1, to be covered for it to be found (one voxel in any case)")
      ->check(CLI::Range(0.0, 1.0));
  add_json_option(*command, o.json_file, o.to_stdout);
  command->add_option("--csv", o.csv_file, "Write CSV to this file: a line per pair and region, or class");
  command->add_option("--part", o.part, "Of classes: only images of this part of the truth, such as test");
  command->add_option("--picture", o.picture, "Of classes: write a reliability diagram (PNG) to this file");
  command->add_flag("--overwrite", o.replace, "Replace these files if they exist");
  command->add_flag("-q,--quiet", common.quiet, "No progress");
  command->callback([options, &common] {
    Common chosen = common;
    chosen.json = common.json || options->to_stdout;
    run(*options, chosen);
  });
}

}  // namespace oncotome::apps
