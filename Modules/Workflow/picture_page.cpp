// SPDX-License-Identifier: Apache-2.0
#include "picture_page.h"

#include "html_parts.h"

namespace oncotome::workflow {
namespace {

using namespace html;
using nlohmann::json;

std::string finding(const json& report) {
  const json& counts = member(report, "counts");
  std::string out = plain(member(counts, "images")) + " images";
  for (const auto& [name, count] : member(counts, "classes").items()) out += ", " + plain(count) + " " + escaped(name);
  for (const char* kind : {"refused", "rejected"})
    if (const json& count = member(counts, kind); count.is_number() && count > 0)
      out += ", " + plain(count) + " " + kind;
  return out;
}

std::string images(const json& report, const std::filesystem::path& folder) {
  std::string rows;
  std::size_t shown = 0;
  for (const json& image : member(report, "images")) {
    const std::string heat = figure(member(image, "heat"), folder, "As it is, and where its class comes from");
    if (heat.empty()) continue;
    ++shown;
    rows +=
        "<tr><td>" + code(plain(member(image, "path"))) + "<br>" + classes(image) + "</td><td>" + heat + "</td></tr>\n";
  }
  if (shown == 0) return "";
  std::string note;
  if (const std::size_t all = member(report, "images").size(); shown < all)
    note = "<p>" + std::to_string(shown) + " of " + std::to_string(all) +
           " images are shown; predictions.csv has all.</p>\n";
  return heading("Where classes come from") + note + "<table><tbody>\n" + rows + "</tbody></table>\n";
}

std::string rejected(const json& report) {
  std::string rows;
  for (const json& r : member(report, "rejected"))
    rows += row(code(plain(member(r, "path"))), plain(member(r, "reason")));
  return rows.empty() ? "" : heading("Not read") + "<table><tbody>\n" + rows + "</tbody></table>\n";
}

}  // namespace

std::string picture_page(const json& report, const std::filesystem::path& folder) {
  const std::string text = finding(report);
  return page(report, text,
              "<header>" + title(report, text) + "</header>\n" + images(report, folder) + rejected(report) +
                  provenance(report) + definitions(report));
}

}  // namespace oncotome::workflow
