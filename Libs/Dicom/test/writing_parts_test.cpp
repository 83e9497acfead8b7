// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "bit_packing.h"
#include "oncotome/core/error.h"
#include "oncotome/dicom/decimal_string.h"
#include "result_header.h"

namespace oncotome::dicom {
namespace {

TEST(BitPacking, FramesFollowEachOtherWithoutPaddingLowestBitFirst) {
  // Frames of 3 pixels, 101 110 011 in pixel order, make the string 101110011: bytes 0b10011101 and 0b1.
  const std::vector<std::uint8_t> pixels{7, 0, 7, 7, 7, 0, 0, 7, 7};
  std::vector<std::uint8_t> bytes(packed_size(9), 0);
  ASSERT_EQ(bytes.size(), 2u);
  for (std::size_t frame = 0; frame < 3; ++frame)
    set_bits<std::uint8_t>(bytes, frame * 3, pixels.data() + frame * 3, 3, 7);
  EXPECT_EQ(bytes[0], 0x9d);
  EXPECT_EQ(bytes[1], 0x01);
}

TEST(BitPacking, SizeIsWholeBytesOfEvenNumber) {
  EXPECT_EQ(packed_size(1), 2u);
  EXPECT_EQ(packed_size(16), 2u);
  EXPECT_EQ(packed_size(17), 4u);
}

TEST(DecimalString, IsShortestThatReadsBackExactly) {
  EXPECT_EQ(decimal_string(0), "0");
  EXPECT_EQ(decimal_string(-0.0), "0");
  EXPECT_EQ(decimal_string(0.1), "0.1");
  EXPECT_EQ(decimal_string(-239), "-239");
  EXPECT_EQ(decimal_string(100000), "100000");
  EXPECT_EQ(decimal_string(1e20), "1e20");
}

TEST(DecimalString, KeepsAllDigitsThatSixteenCharactersHold) {
  EXPECT_EQ(decimal_string(1.0 / 3), "0.33333333333333");
  EXPECT_EQ(decimal_string(-1.0 / 3), "-0.3333333333333");
  EXPECT_EQ(decimal_string(1e-5 / 3), "3.33333333333e-6");
  EXPECT_EQ(decimal_string(123456.7890123456), "123456.789012346");
}

TEST(DecimalString, NeverExceedsSixteenCharactersNorLosesTenDigits) {
  for (int exponent = -300; exponent <= 300; ++exponent)
    for (const double sign : {1.0, -1.0}) {
      const double value = sign * M_PI * std::pow(10, exponent);
      const std::string text = decimal_string(value);
      EXPECT_LE(text.size(), 16u);
      EXPECT_NEAR(std::stod(text) / value, 1, 1e-8) << text;
    }
}

TEST(DecimalString, RefusesWhatIsNotFinite) {
  EXPECT_THROW(decimal_string(std::nan("")), Error);
  EXPECT_THROW(decimal_string(std::numeric_limits<double>::infinity()), Error);
}

TEST(CieLab, MatchesValuesForPureRedAndGreen) {
  EXPECT_EQ(cielab({255, 0, 0}), (std::array<std::uint16_t, 3>{34885, 53486, 50171}));
  EXPECT_EQ(cielab({0, 255, 0}), (std::array<std::uint16_t, 3>{57498, 10747, 54273}));
}

TEST(CieLab, GrayHasNoColor) {
  // Lightness 100 and a = b = 0, which is (0 + 128) * 257.
  EXPECT_NEAR(cielab({255, 255, 255})[0], 65535, 1);
  for (const std::uint8_t level : {0, 128, 255}) {
    EXPECT_NEAR(cielab({level, level, level})[1], 32896, 5);
    EXPECT_NEAR(cielab({level, level, level})[2], 32896, 5);
  }
}

TEST(OwnText, IsAsciiWithoutSeparatorsAndCut) {
  EXPECT_EQ(own_text("\xc3\x96"
                     "dem\\a\n"),
            "?dem?a?");
  EXPECT_EQ(own_text("abcdef", 3), "abc");
}

}  // namespace
}  // namespace oncotome::dicom
