// SPDX-License-Identifier: Apache-2.0
#include "html_report.h"

#include <cstdint>
#include <cstdio>

#include "html_parts.h"

namespace oncotome::workflow {
namespace {

using namespace html;
using nlohmann::json;

std::string ml(const json& mm3) { return fixed(mm3, mm3.is_number() && mm3.get<double>() < 1000 ? 2 : 1, 1e-3); }

std::string list(const json& items) {
  std::string out = "<ul>";
  for (const json& item : items) out += "<li>" + plain(item) + "</li>";
  return out + "</ul>\n";
}

std::string color_of(const json& report, const std::string& label_name) {
  for (const json& label : member(report, "labels")) {
    const json& rgb = member(label, "color");
    if (member(label, "name") != label_name || !rgb.is_array() || rgb.size() != 3) continue;
    char text[16];
    std::snprintf(text, sizeof text, "#%02x%02x%02x", rgb[0].get<unsigned>() & 255, rgb[1].get<unsigned>() & 255,
                  rgb[2].get<unsigned>() & 255);
    return text;
  }
  return "#888888";
}

std::string swatch(const std::string& color) { return "<span class=swatch style=\"background:" + color + "\"></span>"; }

/// A bar whose parts are the classes' shares of a lesion, and the figures below it.
std::string composition(const json& report, const json& lesion) {
  const json& parts = member(lesion, "volume_by_label_mm3");
  if (!parts.is_object()) return {};
  double total = 0;
  for (const json& part : parts) total += part.is_number() ? part.get<double>() : 0;
  std::string bar;
  std::string text;
  for (const auto& [name, volume] : parts.items()) {
    if (!volume.is_number() || volume.get<double>() <= 0) continue;
    const std::string color = color_of(report, name);
    const std::string percent = fixed(volume, 1, 100 / total);
    bar.append("<span style=\"width:").append(percent).append("%;background:").append(color).append("\"></span>");
    text.append("<span class=part>").append(swatch(color)).append(escaped(name)).append(" ").append(ml(volume));
    text.append(" ml (").append(fixed(volume, 0, 100 / total)).append("%)</span> ");
  }
  return "<div class=bar>" + bar + "</div>" + text;
}

std::string header(const json& report) {
  std::string out = "<header>" + title(report, plain(member(report, "finding")));
  const json& doubts = member(report, "doubts");
  const json& corrections = member(report, "corrections");
  if (!doubts.empty()) out += "<section class=doubts><h2>Doubts: check these</h2>" + list(doubts) + "</section>\n";
  if (!corrections.empty())
    out += "<section class=doubts><h2>Corrected on the way</h2>" + list(corrections) + "</section>\n";
  return out + "</header>\n";
}

std::string lesion_table(const json& report) {
  const json& lesions = member(report, "lesions");
  if (lesions.empty()) return "";
  const bool is_classified = report.contains("classifier");
  std::string out = heading("Lesions") +
                    "<table><thead><tr><th class=n>No.</th><th class=n>Volume (ml)</th>"
                    "<th class=n>Longest in a slice (mm)</th><th class=n>Longest in 3-D (mm)</th>"
                    "<th class=n>Slice</th>" +
                    (is_classified ? "<th>Class</th>" : "") + "<th>Made up of</th></tr></thead><tbody>\n";
  for (const json& lesion : lesions) {
    const json& k = member(lesion, "key_slice");
    out += "<tr><td class=n>" + plain(member(lesion, "id")) + "</td><td class=n>" +
           (member(lesion, "touches_border") == true       ? "&ge; "
            : member(lesion, "touches_unmeasured") == true ? "? "
                                                           : "") +
           ml(member(lesion, "volume_mm3")) + "</td><td class=n>" +
           fixed(member(lesion, "longest_axial_diameter_mm"), 1) + "</td><td class=n>" +
           fixed(member(lesion, "longest_diameter_mm"), 1) + "</td><td class=n>" +
           (k.is_number_integer() ? std::to_string(k.get<std::int64_t>() + 1) : "") + "</td>" +
           (is_classified ? "<td>" + classes(member(lesion, "classification")) + "</td>" : "") + "<td>" +
           composition(report, lesion) + "</td></tr>\n";
  }
  return out + "</tbody></table>\n";
}

std::string key_pictures(const json& report, const std::filesystem::path& folder) {
  std::string figures;
  std::size_t count = 0;
  for (const json& lesion : member(report, "lesions")) {
    const std::string one = figure(member(lesion, "picture"), folder,
                                   "Lesion " + plain(member(lesion, "id")) + " on the slice where it is longest");
    count += !one.empty();
    figures += one;
  }
  if (count == 0) return "";
  return heading("Key slices") + "<div class=\"keys" + (count == 1 ? " one" : "") + "\">" + figures + "</div>\n";
}

std::string other_pictures(const json& report, const std::filesystem::path& folder) {
  const json& pictures = member(report, "pictures");
  std::string out;
  const std::string surface = figure(member(pictures, "surface"), folder,
                                     "Surfaces of the classes, seen from the front and from the patient&#39;s left");
  const std::string overview = figure(member(pictures, "overview"), folder, "Evenly spaced slices");
  if (!surface.empty()) out += heading("In three dimensions") + surface;
  if (!overview.empty()) out += heading("Overview") + overview;
  return out;
}

std::string evaluation(const json& report) {
  const json& rows = member(member(report, "evaluation"), "regions");
  if (rows.empty()) return "";
  std::string out = heading("Agreement with the given truth") +
                    "<table><thead><tr><th>Class</th><th class=n>Dice</th><th class=n>Surface Dice</th>"
                    "<th class=n>HD95 (mm)</th><th class=n>Found (ml)</th>"
                    "<th class=n>Truth (ml)</th></tr></thead><tbody>\n";
  for (const json& r : rows)
    out += "<tr><td>" + plain(member(r, "name")) + "</td><td class=n>" + fixed(member(r, "dice"), 3) +
           "</td><td class=n>" + fixed(member(r, "surface_dice"), 3) + "</td><td class=n>" +
           fixed(member(r, "hd95_mm"), 2) + "</td><td class=n>" + fixed(member(r, "result_ml"), 2) +
           "</td><td class=n>" + fixed(member(r, "truth_ml"), 2) + "</td></tr>\n";
  return out + "</tbody></table>\n";
}

std::string input(const json& report) {
  const json& in = member(report, "input");
  const json& g = member(in, "geometry");
  std::string out = heading("Input") + "<table><tbody>\n";
  for (const json& c : member(in, "channels")) {
    std::string text = plain(member(c, "modality"));
    for (const char* key : {"description", "part_name", "how"})
      if (const std::string part = plain(member(c, key)); !part.empty())
        text += (text.empty() ? "" : " &middot; ") + part;
    if (const json& n = member(c, "instances"); !n.is_null()) text += " &middot; " + plain(n) + " images";
    if (const std::string uid = plain(member(c, "series_uid")); !uid.empty()) text += "<br>" + code(uid);
    out += row("Channel " + plain(member(c, "name")), text);
  }
  out += row("Study", code(plain(member(in, "study_uid"))));
  out += row("Grid (voxels)", plain(member(g, "size")));
  out += row("Spacing (mm)", plain(member(g, "spacing_mm")));
  out += row("Origin, LPS (mm)", plain(member(g, "origin_mm")));
  out += row("Direction", plain(member(g, "direction")));
  std::string steps;
  for (const json& step : member(report, "preparation"))
    steps += "<li>" + plain(member(step, "step")) + ": " + plain(member(step, "note")) + "</li>";
  if (!steps.empty()) out += row("Preparation", "<ul>" + steps + "</ul>");
  return out + "</tbody></table>\n";
}

}  // namespace

std::string html_report(const json& report, const std::filesystem::path& folder) {
  return page(report, plain(member(report, "finding")),
              header(report) + key_pictures(report, folder) + lesion_table(report) + evaluation(report) +
                  other_pictures(report, folder) + input(report) + provenance(report) + definitions(report));
}

}  // namespace oncotome::workflow
