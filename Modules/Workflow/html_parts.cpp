// SPDX-License-Identifier: Apache-2.0
#include "html_parts.h"

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <vector>

namespace oncotome::workflow::html {
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

}  // namespace

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

const json& member(const json& object, const char* key) {
  static const json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}

std::string fixed(const json& number, int digits, double scale) {
  if (!number.is_number()) return "&ndash;";
  char text[40];
  std::snprintf(text, sizeof text, "%.*f", digits, number.get<double>() * scale);
  return text;
}

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

std::string title(const json& report, const std::string& finding) {
  const json& model = member(report, "model");
  return "<p class=model>" + plain(member(model, "title")) + "</p>\n<h1>" + finding + "</h1>\n" +
         "<p class=notice><strong>For research use only; not for diagnosis.</strong> " +
         plain(member(model, "intended_use")) + "</p>\n";
}

std::string classes(const json& classification) {
  if (const std::string why = plain(member(classification, "refused")); !why.empty()) return "none: " + why;
  std::string out = "<strong>" + plain(member(classification, "class")) + "</strong>";
  for (const auto& [name, p] : member(classification, "probabilities").items())
    out += "<br><span class=part>" + escaped(name) + " " + fixed(p, 1, 100) + "%</span>";
  return out;
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

std::string page(const json& report, const std::string& title, const std::string& body) {
  return "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>\n"
         "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n"
         "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; img-src data:; style-src "
         "'unsafe-inline'\">\n<title>Oncotome: " +
         title + "</title>\n<style>" + kStyle + "</style></head><body><main>\n" + body + "<footer>" +
         plain(member(member(report, "software"), "name")) + " " +
         plain(member(member(report, "software"), "version")) +
         ". The numbers come from report.json beside this file.</footer>\n</main></body></html>\n";
}

}  // namespace oncotome::workflow::html
