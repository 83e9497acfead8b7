// SPDX-License-Identifier: Apache-2.0
#include <iomanip>
#include <sstream>

#include "oncotome/bench/bench.h"
#include "oncotome/core/error.h"
#include "oncotome/core/json.h"

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

template <class SomeVoid, class F>
void each_void_member(SomeVoid& v, F&& f) {
  f("case", v.name);
  f("dtype", v.dtype);
  f("who", v.who);
  f("error", v.error);
  f("bound", v.bound);
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
  for (const Void& v : report.voids) {
    Json entry;
    each_void_member(v, [&](const char* key, const auto& value) { entry[key] = value; });
    json["void"].push_back(std::move(entry));
  }
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
    for (const Json& entry : json.at("void")) {
      Void v;
      each_void_member(v, [&](const char* key, auto& value) { entry.at(key).get_to(value); });
      report.voids.push_back(std::move(v));
    }
    return report;
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCode::input_unreadable, "this is not what a benchmark wrote");
  }
}

std::string to_text(const Report& report) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1);
  for (const auto& [what, rates] : report.roof) {
    text << "probe " << what << ':';
    for (const double rate : rates) text << ' ' << rate;
    text << " giga/s by 1 to " << rates.size() << " threads\n";
  }
  const std::string* name = nullptr;
  for (const Row& row : report.rows) {
    if (!name || *name != row.name) text << row.name << '\n';
    name = &row.name;
    text << "  " << std::left << std::setw(6) << row.dtype << std::right << std::setprecision(3) << std::setw(10)
         << row.time_ms << " ms, " << std::setprecision(2) << row.roof_share << " of the roof, error "
         << std::scientific << std::setprecision(1) << row.error << std::fixed << " (" << row.kernel << ", "
         << row.threads << " threads)";
    if (row.peer_ms > 0) {
      text << "\n         " << std::setprecision(2) << row.ratio_median << "x, least " << row.ratio_min
           << "x: " << row.peer << (row.peer_version.empty() ? "" : " ") << row.peer_version << ' ' << row.peer_dtype
           << ' ' << std::setprecision(3) << row.peer_ms << " ms, error " << std::scientific << std::setprecision(1)
           << row.peer_error << std::fixed << " (" << row.peer_layout << ')';
    }
    text << '\n';
  }
  for (const Void& v : report.voids)
    text << "void: " << v.name << ' ' << v.dtype << " by " << v.who << ", error " << std::scientific << v.error
         << " above " << v.bound << '\n';
  return text.str();
}

}  // namespace oncotome::bench
