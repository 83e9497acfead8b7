// SPDX-License-Identifier: Apache-2.0
#include "seg_nrrd.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace oncotome::workflow {
namespace {

TEST(SegNrrd, WhatSeparatesPartsOfATagIsNotLetIn) {
  Label label;
  label.value = 3;
  label.name = "Tumor\nSegment9_ID:=x";
  label.category = {"49755003", "SCT", "Morphologically~Altered|Structure"};
  label.type = {"4147007", "SCT", "Mass^~|"};
  Geometry grid;
  grid.size = {4, 5, 6};
  const auto fields = slicer_segmentation_fields(LabelVolume(grid), {label}, {"12738006", "SCT", "Brain"});
  const std::string tags = fields.at("Segment0_Tags");
  EXPECT_EQ(std::count(tags.begin(), tags.end(), '~'), 6) << tags;
  EXPECT_EQ(std::count(tags.begin(), tags.end(), '^'), 10) << tags;
  EXPECT_EQ(std::count(tags.begin(), tags.end(), '|'), 1) << tags;
  EXPECT_EQ(fields.at("Segment0_Name").find('\n'), std::string::npos);
  EXPECT_EQ(fields.at("Segment0_Extent"), "0 3 0 4 0 5");
}

}  // namespace
}  // namespace oncotome::workflow
