// SPDX-License-Identifier: Apache-2.0
#include "oncotome/kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "oncotome/kernels/convolution.h"
#include "oncotome/kernels/learning.h"
#include "oncotome/kernels/probe.h"

namespace {

using namespace oncotome::kernels;

/// sign * (1 + mantissa / 1024) * 2^(exponent - 15), or mantissa * 2^-24.
float value_of(std::uint16_t half) {
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  const double magnitude = exponent == 0    ? std::ldexp(mantissa, -24)
                           : exponent == 31 ? std::numeric_limits<double>::infinity()
                                            : std::ldexp(1024 + mantissa, exponent - 25);
  return static_cast<float>(half & 0x8000 ? -magnitude : magnitude);
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

class EachSet : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    set_ = find_kernels(GetParam());
    if (!set_) GTEST_SKIP() << "this processor cannot run " << GetParam();
  }
  const Kernels* set_ = nullptr;
  const Kernels* reference_ = find_kernels("reference");
  std::mt19937 random_{7};
};

TEST_P(EachSet, Halves_become_the_floats_that_they_stand_for) {
  std::vector<std::uint16_t> halves;
  for (unsigned bits = 0; bits < 65536; ++bits)
    if ((bits & 0x7FFF) <= 0x7C00) halves.push_back(static_cast<std::uint16_t>(bits));
  std::vector<float> floats(halves.size());
  set_->float_from_half(halves.data(), floats.data(), floats.size());
  for (std::size_t i = 0; i < halves.size(); ++i) ASSERT_EQ(floats[i], value_of(halves[i])) << halves[i];
}

TEST_P(EachSet, Floats_round_to_the_nearest_half_and_ties_to_the_even_one) {
  std::vector<float> floats;
  std::vector<std::uint16_t> expected;
  for (std::uint16_t half = 0; half < 0x7C00; ++half) {
    // Above the greatest half comes what would be the next one.
    const float low = value_of(half), high = half == 0x7BFF ? 65536.0F : value_of(half + 1), middle = (low + high) / 2;
    const auto next = static_cast<std::uint16_t>(half + 1);
    for (const auto& [value, out] : {std::pair{low, half},
                                     {std::nextafter(middle, 0.0F), half},
                                     {middle, half % 2 == 0 ? half : next},
                                     {std::nextafter(middle, 1e9F), next}}) {
      floats.insert(floats.end(), {value, -value});
      expected.insert(expected.end(), {out, static_cast<std::uint16_t>(out | 0x8000)});
    }
  }
  floats.insert(floats.end(), {1e30F, std::numeric_limits<float>::infinity(), 1e-30F});
  expected.insert(expected.end(), {0x7C00, 0x7C00, 0});
  std::vector<std::uint16_t> halves(floats.size());
  set_->half_from_float(floats.data(), halves.data(), halves.size());
  for (std::size_t i = 0; i < halves.size(); ++i) ASSERT_EQ(halves[i], expected[i]) << floats[i];
}

TEST_P(EachSet, A_sum_rounds_the_product_then_the_sum_then_to_half) {
  std::normal_distribution<float> normal(0, 5);
  for (const std::size_t n : {1U, 7U, 8U, 21U, 1000U}) {
    std::vector<float> value(n), weight(n);
    std::vector<std::uint16_t> sum(n), start(n);
    for (std::size_t i = 0; i < n; ++i) {
      value[i] = normal(random_);
      weight[i] = std::abs(normal(random_));
      start[i] = sum[i] = static_cast<std::uint16_t>(random_() % 0x5000 | (random_() % 2 << 15));
    }
    set_->accumulate(sum.data(), value.data(), weight.data(), n);
    for (std::size_t i = 0; i < n; ++i) {
      const volatile float product = value[i] * weight[i];
      const float total = value_of(start[i]) + product;
      std::uint16_t expected = 0;
      reference_->half_from_float(&total, &expected, 1);
      ASSERT_EQ(sum[i], expected);
    }
  }
}

TEST_P(EachSet, A_quotient_is_rounded_to_half_and_what_is_not_finite_is_told) {
  for (const std::size_t n : {3U, 8U, 203U}) {
    std::vector<std::uint16_t> value(n), by(n), expected(n);
    for (std::size_t i = 0; i < n; ++i) {
      value[i] = static_cast<std::uint16_t>(random_() % 0x5000 | (random_() % 2 << 15));
      by[i] = static_cast<std::uint16_t>(0x3000 + random_() % 0x2000);
      const float quotient = value_of(value[i]) / value_of(by[i]);
      reference_->half_from_float(&quotient, &expected[i], 1);
    }
    const auto start = value;
    EXPECT_TRUE(set_->divide(value.data(), by.data(), n));
    EXPECT_TRUE(same_bits(value, expected));
    for (const std::size_t at : {std::size_t{0}, n - 1}) {
      value = start;
      value[at] = 0x7C00;
      EXPECT_FALSE(set_->divide(value.data(), by.data(), n));
      value = start;
      value[at] = 0x7E01;
      EXPECT_FALSE(set_->divide(value.data(), by.data(), n));
    }
  }
}

/// Four rows of halves of few levels, so that many sums come to lie midway between two halves, and taps of `ratio`.
struct Rows {
  std::vector<float> values;
  std::vector<std::int32_t> column;
  std::vector<double> left, right;
  RowTaps taps{};

  Rows(std::mt19937& random, std::size_t width, std::size_t n, bool in_float) : values(4 * (width + 1)) {
    for (float& value : values) value = static_cast<float>(static_cast<int>(random() % 4001) - 2000) / 64;
    for (std::size_t i = 0; i < n; ++i) {
      const double at =
          std::max(0.0, (static_cast<double>(i) + 0.5) * static_cast<double>(width - 1) / static_cast<double>(n) - 0.5);
      column.push_back(static_cast<std::int32_t>(at));
      right.push_back(in_float ? static_cast<float>(at - std::floor(at)) : at - std::floor(at));
      left.push_back(in_float ? 1 - static_cast<float>(right.back()) : 1 - right.back());
    }
    taps = {{}, {5.0 / 6, 1.0 / 6}, {0.25, 0.75}, column.data(), left.data(), right.data()};
    if (in_float) taps.first[0] = 1 - static_cast<float>(taps.first[1] = 1.0F / 6);
    for (std::size_t r = 0; r < 4; ++r) taps.rows[r] = values.data() + r * (width + 1);
  }
};

TEST_P(EachSet, Interpolation_sums_eight_products_in_array_order) {
  for (const std::size_t n : {1U, 3U, 4U, 22U, 600U}) {
    Rows rows(random_, 2 * n / 3 + 2, n, false);
    for (const bool single : {false, true}) {
      if (single) rows.taps.first[0] = 1, rows.taps.first[1] = 0;
      std::vector<float> in_float(n), in_half(n), expected_half(n);
      set_->interpolate(rows.taps, false, in_float.data(), n);
      set_->interpolate(rows.taps, true, in_half.data(), n);
      for (std::size_t i = 0; i < n; ++i) {
        double sum = 0;
        for (int r = 0; r < 4; ++r)
          for (int c = 0; c < 2; ++c) {
            // Each product is stored, so that none fuses with the sum.
            volatile double product = rows.taps.rows[r][rows.column[i] + c];
            product = product * rows.taps.first[r / 2];
            product = product * rows.taps.second[r % 2];
            product = product * (c ? rows.right[i] : rows.left[i]);
            sum += product;
          }
        ASSERT_EQ(in_float[i], static_cast<float>(sum));
        // The nearest half, straight from the double.
        const float about = static_cast<float>(sum);
        std::uint16_t half = 0;
        reference_->half_from_float(&about, &half, 1);
        std::uint16_t best = half;
        for (const int step : {-1, 1}) {
          const auto other = static_cast<std::uint16_t>(half + step);
          const double gain = std::abs(sum - value_of(best)) - std::abs(sum - value_of(other));
          if (gain > 0 || (gain == 0 && other % 2 == 0)) best = other;
        }
        ASSERT_EQ(in_half[i], value_of(best)) << sum;
      }
    }
  }
}

TEST_P(EachSet, Nested_interpolation_fuses_the_first_product_of_each_axis) {
  for (const std::size_t n : {1U, 3U, 4U, 22U, 600U}) {
    const Rows rows(random_, 2 * n / 3 + 2, n, true);
    std::vector<float> out(n), expected(n);
    set_->interpolate_nested(rows.taps, out.data(), n);
    for (std::size_t i = 0; i < n; ++i) {
      const auto lerp = [](float a, double wa, float b, double wb) {
        return std::fma(a, static_cast<float>(wa), b * static_cast<float>(wb));
      };
      std::array<float, 4> x{};
      for (std::size_t r = 0; r < 4; ++r)
        x[r] =
            lerp(rows.taps.rows[r][rows.column[i]], rows.left[i], rows.taps.rows[r][rows.column[i] + 1], rows.right[i]);
      const auto& [first, second] = std::tie(rows.taps.first, rows.taps.second);
      expected[i] =
          lerp(lerp(x[0], second[0], x[1], second[1]), first[0], lerp(x[2], second[0], x[3], second[1]), first[1]);
    }
    EXPECT_TRUE(same_bits(out, expected));
  }
}

TEST_P(EachSet, The_first_of_equal_rows_is_the_greatest) {
  for (const std::size_t n : {1U, 8U, 37U})
    for (const std::int32_t rows : {1, 2, 60}) {
      const std::size_t stride = n + 3;
      std::vector<float> values(stride * static_cast<std::size_t>(rows));
      for (float& value : values) value = static_cast<float>(random_() % 9) - 4;
      std::vector<float> best(n), second(n);
      std::vector<std::int32_t> row(n);
      set_->top_two(values.data(), stride, rows, n, best.data(), second.data(), row.data());
      for (std::size_t i = 0; i < n; ++i) {
        std::vector<float> column;
        column.reserve(static_cast<std::size_t>(rows));
        for (std::int32_t r = 0; r < rows; ++r) column.push_back(values[static_cast<std::size_t>(r) * stride + i]);
        const auto greatest = std::max_element(column.begin(), column.end());
        ASSERT_EQ(best[i], *greatest);
        ASSERT_EQ(row[i], greatest - column.begin());
        column.erase(greatest);
        ASSERT_EQ(second[i], column.empty() ? -std::numeric_limits<float>::infinity()
                                            : *std::max_element(column.begin(), column.end()));
      }
    }
}

INSTANTIATE_TEST_SUITE_P(Kernels, EachSet, testing::Values("reference", "avx2"),
                         [](const auto& set) { return std::string(set.param); });

TEST(Kernels, The_environment_names_the_set_where_nobody_does) {
  const char* before = std::getenv("ONCOTOME_FORCE_ISA");
  const std::string kept = before ? before : "";
  setenv("ONCOTOME_FORCE_ISA", "reference", 1);
  EXPECT_STREQ(find_kernels(nullptr)->isa, "reference");
  EXPECT_STREQ((*conv_kernels(nullptr))->isa, "reference");
  EXPECT_EQ(find_probe("f32", nullptr), nullptr);
  setenv("ONCOTOME_FORCE_ISA", "avx3", 1);
  EXPECT_EQ(find_kernels(nullptr), nullptr);
  EXPECT_EQ(*conv_kernels(nullptr), nullptr);
  EXPECT_EQ(find_probe("read", nullptr), nullptr);
  before ? setenv("ONCOTOME_FORCE_ISA", kept.c_str(), 1) : unsetenv("ONCOTOME_FORCE_ISA");
}

TEST(Kernels, An_unknown_set_is_none) {
  EXPECT_EQ(find_kernels("avx3"), nullptr);
  EXPECT_STREQ(find_kernels("reference")->isa, "reference");
  EXPECT_NE(find_kernels(nullptr), nullptr);
}

// Sixteen sums (AVX2: twelve) that begin with 1 and become half of themselves and 1; or to which each step adds twice
// a quarter, or four ones.
TEST(Kernels, Probes_compute_what_they_are_said_to) {
  alignas(64) std::array<std::uint32_t, 160> memory{};
  const auto result_of = [&](const char* what, const char* isa) {
    const Probe* probe = find_probe(what, isa);
    if (!probe) return -1.0;
    probe->run(memory.data(), 10);
    float value = 0;
    std::memcpy(&value, memory.data(), sizeof value);
    return std::strcmp(what, "int8") == 0 ? static_cast<double>(memory[0]) : static_cast<double>(value);
  };
  const double last = 2 - std::ldexp(1, -10);
  for (const auto& [what, isa, expected] : {std::tuple{"f32", "avx2", 12 * last},
                                            {"f32", "avx512", 16 * last},
                                            {"bf16", "avx512bf16", 16 * 5.0},
                                            {"int8", "avx512vnni", 16 * 40.0}}) {
    const double result = result_of(what, isa);
    if (result >= 0) {
      EXPECT_DOUBLE_EQ(result, expected) << what << isa;
    }
  }
  find_probe("write", nullptr)->run(memory.data(), 10);
  EXPECT_EQ(memory[158], 79);
  find_probe("read", nullptr)->run(memory.data(), 10);
  EXPECT_EQ(memory[0], 10 * 9 / 2 * 8);
  EXPECT_EQ(find_probe("f64", nullptr), nullptr);
}

// What each loop of learning.h writes, for rows of as many channels.
std::vector<std::vector<float>> learned(const Learning& set, std::size_t channels, bool relu, bool other) {
  constexpr std::size_t kRows = 11;
  const oncotome::kernels::Rows rows{kRows, channels};
  std::mt19937 random(static_cast<unsigned>(channels));
  const auto drawn = [&](std::size_t n) {
    std::vector<float> v(n);
    for (float& x : v) x = static_cast<float>(random()) / 2147483648.0F - 1;
    return v;
  };
  const std::size_t n = kRows * channels;
  const auto x = drawn(n), added = drawn(n), gradient = drawn(n), scale = drawn(channels), shift = drawn(channels),
             mean = drawn(channels), base = drawn(channels), slope = drawn(channels);
  const Normalization how{scale.data(), shift.data(), relu};
  std::vector<float> sums(2 * channels), y(n), passed(n), more_sums(2 * channels), out(n), values = x, first = added,
                                                                                           second = drawn(n);
  for (float& v : second) v = std::abs(v);
  set.moments(x.data(), x.data(), rows, sums.data());
  set.normalize(x.data(), other ? added.data() : nullptr, how, rows, y.data());
  set.gradient_moments(gradient.data(), x.data(), other ? y.data() : nullptr, how, mean.data(), rows, passed.data(),
                       more_sums.data());
  set.gradient(gradient.data(), x.data(), how, mean.data(), base.data(), slope.data(), rows, out.data());
  set.adamw({0.99F, 0.9F, 0.999F, 1e-3F, 1.5F, 1e-8F}, gradient.data(), n, values.data(), first.data(), second.data());
  return {sums, y, passed, more_sums, out, values, first, second};
}

TEST(Kernels, Learning_has_the_same_bits_in_every_set) {
  for (const char* isa : {"avx2", "avx512"}) {
    const Learning* set = find_learning(isa);
    if (!set) continue;
    for (const std::size_t channels : {1U, 7U, 16U, 40U})
      for (const bool relu : {false, true})
        for (const bool other : {false, true}) {
          const auto ours = learned(*set, channels, relu, other);
          const auto reference = learned(*find_learning("reference"), channels, relu, other);
          for (std::size_t i = 0; i < ours.size(); ++i)
            EXPECT_TRUE(same_bits(ours[i], reference[i])) << isa << " " << channels << " result " << i;
        }
  }
  EXPECT_EQ(find_learning("avx3"), nullptr);
}

TEST(Kernels, A_set_that_adds_no_rows_is_the_one_before) {
  for (const char* isa : {"avx512", "avx512vnni", "avx512bf16"}) {
    const Kernels* set = find_kernels(isa);
    EXPECT_TRUE(!set || std::strcmp(set->isa, "avx2") == 0) << isa;
  }
}

}  // namespace
