// SPDX-License-Identifier: Apache-2.0
#include "oncotome/core/json.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace {

using nlohmann::json;

TEST(JsonTest, WholeNumbersAreReadExactlyOrNotAtAll) {
  EXPECT_EQ(json::parse("2").get<int>(), 2);
  EXPECT_EQ(json::parse("32.0").get<int>(), 32);  // as Python writes a float
  EXPECT_EQ(json::parse("-0.0").get<unsigned>(), 0U);
  EXPECT_EQ(json::parse("9223372036854775807").get<std::int64_t>(), INT64_MAX);
  EXPECT_EQ(json::parse("-9223372036854775808").get<std::int64_t>(), INT64_MIN);
  EXPECT_EQ(json::parse("-9223372036854775808.0").get<std::int64_t>(), INT64_MIN);
  EXPECT_EQ(json::parse("18446744073709551615").get<std::uint64_t>(), UINT64_MAX);
  EXPECT_EQ(json::parse("[0, 255]").get<std::vector<std::uint8_t>>(), (std::vector<std::uint8_t>{0, 255}));
  EXPECT_EQ(json(std::int64_t{-5}).get<signed char>(), -5);
  EXPECT_EQ(json::parse("{}").value("groups", 1), 1);

  EXPECT_THROW(json::parse("2.5").get<int>(), json::type_error);
  EXPECT_THROW(json::parse("1.11111e54").get<std::int64_t>(), json::type_error);
  EXPECT_THROW(json::parse("9223372036854775808").get<std::int64_t>(), json::type_error);
  EXPECT_THROW(json::parse("9223372036854775808.0").get<std::int64_t>(), json::type_error);
  EXPECT_THROW(json::parse("18446744073709551616").get<std::uint64_t>(), json::type_error);  // a float by its size
  EXPECT_THROW(json::parse("2147483648").get<int>(), json::type_error);
  EXPECT_THROW(json::parse("-2147483649").get<int>(), json::type_error);
  EXPECT_THROW(json::parse("-1").get<unsigned>(), json::type_error);
  EXPECT_THROW(json::parse("[258]").get<std::vector<std::uint8_t>>(), json::type_error);
  EXPECT_THROW(json::parse(R"({"groups": 1e99})").value("groups", 1), json::type_error);
  EXPECT_THROW(json::parse("\"2\"").get<int>(), json::type_error);
}

TEST(JsonTest, JsonThatIsNestedTooDeepIsDiscarded) {
  const auto nested = [](std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  EXPECT_TRUE(oncotome::parse_json(nested(64)).is_array());
  EXPECT_TRUE(oncotome::parse_json(nested(66)).is_discarded());
  EXPECT_TRUE(oncotome::parse_json(nested(200000)).is_discarded());
  EXPECT_TRUE(oncotome::parse_json("{").is_discarded());
  EXPECT_TRUE(oncotome::parse_json("[1] // one").is_discarded());
  EXPECT_EQ(oncotome::parse_json("[1] // one", true), json({1}));
}

}  // namespace
