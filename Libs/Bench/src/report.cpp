// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "oncotome/bench/bench.h"
#include "oncotome/core/error.h"

namespace oncotome::bench {
namespace {

using Json = nlohmann::ordered_json;

/// Calls f(key, member) for all that a row has.
template <class SomeRow, class F>
void each_member(SomeRow& row, F&& f) {
  f("case", row.name);
  f("dtype", row.dtype);
  f("peer", row.peer);
  f("peer_version", row.peer_version);
  f("peer_dtype", row.peer_dtype);
  f("peer_layout", row.peer_layout);
  f("kernel", row.kernel);
  f("ratio_min", row.ratio_min);
  f("ratio_median", row.ratio_median);
  f("roof_share", row.roof_share);
  f("error", row.error);
  f("peer_error", row.peer_error);
  f("threads", row.threads);
  f("time_ms", row.time_ms);
  f("peer_ms", row.peer_ms);
}

}  // namespace

std::string to_json(const Report& report) {
  Json json;
  json["roof_giga_per_second"] = report.roof;
  json["rows"] = Json::array();
  for (const Row& row : report.rows) {
    Json entry;
    each_member(row, [&](const char* key, const auto& value) { entry[key] = value; });
    json["rows"].push_back(std::move(entry));
  }
  json["void"] = Json::array();
  for (const Void& v : report.voids)
    json["void"].push_back(
        {{"case", v.name}, {"dtype", v.dtype}, {"who", v.who}, {"error", v.error}, {"bound", v.bound}});
  return json.dump(1);
}

Report from_json(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    Report report;
    report.roof = json.at("roof_giga_per_second").get<decltype(report.roof)>();
    for (const Json& entry : json.at("rows")) {
      Row row;
      each_member(row, [&](const char* key, auto& value) { entry.at(key).get_to(value); });
      report.rows.push_back(std::move(row));
    }
    return report;
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCode::input_unreadable, "this is not what a benchmark wrote");
  }
}

}  // namespace oncotome::bench
