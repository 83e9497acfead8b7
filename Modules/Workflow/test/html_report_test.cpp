// SPDX-License-Identifier: Apache-2.0
#include "html_report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

namespace oncotome::workflow {
namespace {

using nlohmann::json;

json small_report() {
  return json::parse(R"({
    "software": {"name": "Oncotome", "version": "0.1.0"},
    "model": {"name": "m", "title": "Brain tumor", "version": "1", "sha256": "00ff", "intended_use": "Research only."},
    "input": {"channels": [{"name": "FLAIR", "modality": "MR", "description": "t2_flair", "how": "given"}]},
    "labels": [{"value": 1, "name": "Core", "color": [255, 0, 16]}, {"value": 2, "name": "Edema", "color": [1, 2, 3]}],
    "lesions": [{"id": 1, "volume_mm3": 25600.0, "longest_axial_diameter_mm": 41.25, "longest_diameter_mm": 50.04,
                 "key_slice": 80, "touches_border": false, "volume_by_label_mm3": {"Core": 6400.0, "Edema": 19200.0},
                 "picture": "pixel.png"}],
    "finding": "1 lesion, 25.6 ml in all"
  })");
}

bool has(const std::string& html, const std::string& text) { return html.find(text) != std::string::npos; }

TEST(HtmlReport, Leads_with_the_finding_and_the_research_notice) {
  const std::string html = html_report(small_report(), testing::TempDir());
  const std::size_t finding = html.find("<h1>1 lesion, 25.6 ml in all</h1>");
  const std::size_t notice = html.find("For research use only; not for diagnosis.");
  ASSERT_NE(finding, std::string::npos);
  ASSERT_NE(notice, std::string::npos);
  EXPECT_LT(notice, html.find("<h2>"));
}

TEST(HtmlReport, States_each_lesion_in_milliliters_and_millimeters_and_its_shares) {
  const std::string html = html_report(small_report(), testing::TempDir());
  EXPECT_TRUE(has(html, "<td class=n>25.6</td>"));
  EXPECT_TRUE(has(html, "<td class=n>50.0</td>"));
  EXPECT_TRUE(has(html, "<td class=n>81</td>"));
  EXPECT_TRUE(has(html, "width:25.0%;background:#ff0010"));
  EXPECT_TRUE(has(html, "Edema 19.2 ml (75%)"));
}

TEST(HtmlReport, Says_that_a_cut_off_volume_is_a_lower_bound) {
  json report = small_report();
  report["lesions"][0]["touches_border"] = true;
  EXPECT_TRUE(has(html_report(report, testing::TempDir()), "<td class=n>&ge; 25.6</td>"));
}

TEST(HtmlReport, Makes_markup_in_any_text_inert) {
  const json clean = small_report();
  const std::string attack = "<script>alert(1)</script>\"'&";
  std::size_t places = 0;
  const json flat = clean.flatten();
  for (const auto& [path, value] : flat.items()) {
    if (!value.is_string()) continue;
    json report = clean;
    report[json::json_pointer(path)] = attack;
    const std::string html = html_report(report, testing::TempDir());
    EXPECT_FALSE(has(html, "<script")) << path;
    EXPECT_FALSE(has(html, "\"'&")) << path;
    places += has(html, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;");
  }
  EXPECT_GE(places, 9U);
  for (const char* list : {"doubts", "corrections"}) {
    json report = clean;
    report[list] = {attack};
    EXPECT_FALSE(has(html_report(report, testing::TempDir()), "<script")) << list;
  }
  json report = clean;
  report["lesions"][0]["volume_by_label_mm3"][attack] = 5.0;
  report["definitions"][attack] = attack;
  EXPECT_FALSE(has(html_report(report, testing::TempDir()), "<script"));
}

TEST(HtmlReport, Shows_doubts_and_corrections_only_where_there_are_some) {
  json report = small_report();
  EXPECT_FALSE(has(html_report(report, testing::TempDir()), "<section class=doubts>"));
  report["doubts"] = {"PixelSpacing and SpacingBetweenSlices disagree"};
  report["corrections"] = json::array();
  const std::string html = html_report(report, testing::TempDir());
  EXPECT_TRUE(has(html, "<li>PixelSpacing and SpacingBetweenSlices disagree</li>"));
  EXPECT_FALSE(has(html, "Corrected on the way"));
}

TEST(HtmlReport, Embeds_pictures_as_base64) {
  // RFC 4648, section 10.
  const std::pair<const char*, const char*> cases[] = {{"f", "Zg=="},         {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, encoded] : cases) {
    std::ofstream(testing::TempDir() + "/pixel.png", std::ios::binary) << bytes;
    EXPECT_TRUE(has(html_report(small_report(), testing::TempDir()),
                    std::string("src=\"data:image/png;base64,") + encoded + "\""));
  }
}

TEST(HtmlReport, Captions_a_key_slice_as_the_one_where_the_lesion_is_longest) {
  std::ofstream(testing::TempDir() + "/pixel.png", std::ios::binary) << "f";
  EXPECT_TRUE(has(html_report(small_report(), testing::TempDir()),
                  "<figcaption>Lesion 1 on the slice where it is longest</figcaption>"));
}

TEST(HtmlReport, Does_without_lesions_pictures_and_everything_optional) {
  json report = small_report();
  report["lesions"] = json::array();
  report["finding"] = "No lesion was found";
  std::string html = html_report(report, testing::TempDir());
  EXPECT_TRUE(has(html, "<h1>No lesion was found</h1>"));
  EXPECT_FALSE(has(html, "<img"));
  EXPECT_FALSE(has(html, "Lesions</h2>"));
  EXPECT_FALSE(has(html, "Agreement with the given truth"));
  EXPECT_TRUE(has(html_report(json::object(), testing::TempDir()), "For research use only"));
}

TEST(HtmlReport, Fetches_nothing_and_runs_nothing) {
  const std::string html = html_report(small_report(), testing::TempDir());
  for (const char* word : {"<script", "http://", "https://", "@import", "<link", "url(", "onload"})
    EXPECT_FALSE(has(html, word)) << word;
}

}  // namespace
}  // namespace oncotome::workflow
