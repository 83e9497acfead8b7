// SPDX-License-Identifier: Apache-2.0
#include "html_report.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

namespace oncotome::workflow {
namespace {

using nlohmann::json;

constexpr const char* kStyle = R"css(
:root{--ink:#1c2530;--soft:#5b6876;--line:#dde3ea;--pale:#f5f7fa;--accent:#0b5c8a;--doubt:#8a5a00}
*{box-sizing:border-box}
body{margin:0;background:#fff;color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}
main{max-width:1060px;margin:0 auto;padding:28px 24px 48px}
header .model{color:var(--soft);margin:0}
h1{font-size:32px;line-height:1.2;margin:2px 0 10px;letter-spacing:-.01em}
h2{font-size:18px;margin:34px 0 10px;padding-bottom:5px;border-bottom:1px solid var(--line)}
p{margin:6px 0}
.notice{background:var(--pale);border-left:4px solid var(--accent);padding:8px 14px;margin:14px 0}
.doubts{background:#fff7e2;border:1px solid #ecd08a;border-left:4px solid #d99a00;padding:8px 16px;margin:14px 0}
.doubts h2{border:0;margin:2px 0;padding:0;color:var(--doubt);font-size:16px}
ul{margin:4px 0 6px;padding-left:20px}
table{border-collapse:collapse;width:100%;margin:6px 0}
th,td{text-align:left;padding:6px 10px;border-bottom:1px solid var(--line);vertical-align:top}
th{font-size:13px;color:var(--soft);font-weight:600}
tbody th{width:230px}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code{font:12.5px/1.5 ui-monospace,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
.bar{display:flex;height:10px;border-radius:3px;overflow:hidden;background:var(--pale);margin:5px 0 4px;min-width:160px}
.swatch{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:6px;border:1px solid #0003}
.part{white-space:nowrap;margin-right:12px;font-size:13px}
figure{margin:14px 0;break-inside:avoid}
figure img{display:block;max-width:100%;height:auto;border-radius:6px;background:#101216}
figcaption{color:var(--soft);font-size:13px;margin-top:4px}
.keys{display:grid;grid-template-columns:repeat(auto-fit,minmax(340px,1fr));gap:4px 20px;align-items:start}
.keys.one{display:block}
.keys.one img{max-width:min(100%,640px)}
footer{margin-top:36px;color:var(--soft);font-size:13px;border-top:1px solid var(--line);padding-top:10px}
@media print{main{max-width:none;padding:0}body{font-size:12px}h2{break-after:avoid}tr{break-inside:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
)css";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  return out;
}

/// A member of an object, null where either is absent.
const json& member(const json& object, const char* key) {
  static const json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}

std::string fixed(const json& number, int digits, double scale = 1) {
  if (!number.is_number()) return "&ndash;";
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", digits, number.get<double>() * scale);
  return text;
}

/// Any value as escaped text: strings bare, numbers short, arrays with commas.
std::string plain(const json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return escaped(value.get<std::string>());
  if (value.is_number_float()) {
    char text[40];
    std::snprintf(text, sizeof text, "%.6g", value.get<double>());
    return text;
  }
  if (!value.is_array()) return escaped(value.dump(-1, ' ', false, json::error_handler_t::replace));
  std::string out;
  for (const json& item : value) out += (out.empty() ? "" : ", ") + plain(item);
  return out;
}

std::string ml(const json& mm3) { return fixed(mm3, mm3.is_number() && mm3.get<double>() < 1000 ? 2 : 1, 1e-3); }

std::string base64(const std::vector<std::uint8_t>& bytes) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t word = 0;
    for (std::size_t b = 0; b < 3; ++b) word = word << 8 | (b < n ? bytes[i + b] : 0U);
    for (std::size_t d = 0; d < 4; ++d) out += d <= n ? kDigits[word >> (18 - 6 * d) & 63] : '=';
  }
  return out;
}

/// Empty when the report names no such picture or it cannot be read.
std::string figure(const json& name, const std::filesystem::path& folder, const std::string& caption) {
  if (!name.is_string()) return {};
  std::ifstream file(folder / name.get<std::string>(), std::ios::binary);
  const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.empty()) return {};
  return "<figure><img alt=\"" + caption + "\" src=\"data:image/png;base64," + base64(bytes) + "\"><figcaption>" +
         caption + "</figcaption></figure>\n";
}

std::string heading(const char* text) { return std::string("<h2>") + text + "</h2>\n"; }

std::string row(const std::string& name, const std::string& value) {
  return value.empty() ? "" : "<tr><th>" + name + "</th><td>" + value + "</td></tr>\n";
}

std::string code(const std::string& text) { return text.empty() ? "" : "<code>" + text + "</code>"; }

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
  const json& model = member(report, "model");
  std::string out = "<header><p class=model>" + plain(member(model, "title")) + "</p>\n<h1>" +
                    plain(member(report, "finding")) + "</h1>\n";
  out += "<p class=notice><strong>For research use only; not for diagnosis.</strong> " +
         plain(member(model, "intended_use")) + "</p>\n";
  const json& doubts = member(report, "doubts");
  const json& corrections = member(report, "corrections");
  if (!doubts.empty()) out += "<section class=doubts><h2>Doubts: check these</h2>" + list(doubts) + "</section>\n";
  if (!corrections.empty())
    out += "<section class=doubts><h2>Corrected on the way</h2>" + list(corrections) + "</section>\n";
  return out + "</header>\n";
}

/// The class of a lesion and how probable each is, or why it has none.
std::string classes(const json& classification) {
  if (const std::string why = plain(member(classification, "refused")); !why.empty()) return "none: " + why;
  std::string out = "<strong>" + plain(member(classification, "class")) + "</strong>";
  for (const auto& [name, p] : member(classification, "probabilities").items())
    out += "<br><span class=part>" + escaped(name) + " " + fixed(p, 1, 100) + "%</span>";
  return out;
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

std::string provenance(const json& report) {
  const json& model = member(report, "model");
  const json& run = member(report, "run");
  const json& software = member(report, "software");
  const json& classifier = member(report, "classifier");
  std::string out =
      heading("Model and run") + "<table><tbody>\n" +
      row("Model", plain(member(model, "name")) + " " + plain(member(model, "version"))) +
      row("Origin", plain(member(model, "origin"))) + row("License", plain(member(model, "license"))) +
      row("SHA-256 of the weights", code(plain(member(model, "sha256")))) +
      row("Classified by",
          classifier.is_null() ? "" : plain(member(classifier, "name")) + " " + plain(member(classifier, "version"))) +
      row("Software", plain(member(software, "name")) + " " + plain(member(software, "version"))) +
      row("Started", plain(member(run, "started")));
  std::string machine = plain(member(run, "device"));
  for (const char* key : {"backend", "precision"})
    if (const std::string part = plain(member(run, key)); !part.empty()) machine += ", " + part;
  if (!member(run, "threads").is_null()) machine += ", " + plain(member(run, "threads")) + " threads";
  out += row("Ran on", machine) + row("Seed", plain(member(run, "seed")));
  if (!member(run, "peak_memory_mib").is_null())
    out += row("Peak memory", fixed(member(run, "peak_memory_mib"), 0) + " MiB");
  std::string times;
  double total = 0;
  for (const json& t : member(run, "timings_ms")) {
    if (const json& ms = member(t, "ms"); ms.is_number()) total += ms.get<double>();
    times += "<span class=part>" + plain(member(t, "stage")) + " " + fixed(member(t, "ms"), 2, 1e-3) + " s</span> ";
  }
  if (!times.empty()) out += row("Time, " + fixed(json(total), 1, 1e-3) + " s in all", times);
  return out + "</tbody></table>\n";
}

std::string definitions(const json& report) {
  const json& all = member(report, "definitions");
  if (all.empty()) return "";
  std::string out = heading("How it was measured") + "<table><tbody>\n";
  for (const auto& [name, text] : all.items()) out += row(code(escaped(name)), plain(text));
  return out + "</tbody></table>\n";
}

}  // namespace

std::string html_report(const json& report, const std::filesystem::path& folder) {
  const std::string title = plain(member(report, "finding"));
  return "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>\n"
         "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n"
         "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; img-src data:; style-src "
         "'unsafe-inline'\">\n<title>Oncotome: " +
         title + "</title>\n<style>" + kStyle + "</style></head><body><main>\n" + header(report) +
         key_pictures(report, folder) + lesion_table(report) + evaluation(report) + other_pictures(report, folder) +
         input(report) + provenance(report) + definitions(report) + "<footer>" +
         plain(member(member(report, "software"), "name")) + " " +
         plain(member(member(report, "software"), "version")) +
         ". The numbers come from report.json beside this file.</footer>\n</main></body></html>\n";
}

}  // namespace oncotome::workflow
