// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "oncotome/kernels/convolution.h"

/// How a Winograd convolution is cut into boxes of tiles, and what each box needs.
namespace oncotome::kernels {
namespace {

static int least(int a, int b) { return a < b ? a : b; }
static int most(int a, int b) { return a > b ? a : b; }

/// Winograd tiles that share one reading of the weights.
constexpr int kBoxTiles = 32;
constexpr int kLongest[] = {0, 4, 8};
/// Boxes whose inputs are asked for one after another, and runs of them that threads should find.
constexpr int kLongestRun = 8, kLeastRuns = 24;
/// Blocks of output channels below which a box is not divided among threads.
constexpr int kLeastGroup = 8;

struct Geometry {
  int depth = 2;  ///< Planes of a tile: 1 for a kernel of one plane.
  int tiles[3] = {}, box[3] = {}, boxes[3] = {};
  int run = 1, runs = 0;      ///< Boxes of one tile of work, and how many such runs there are.
  int group = 0, groups = 1;  ///< Blocks of output channels of one box, and how many such groups there are.
  std::size_t values = 0, products = 0, patch = 0, sums = 0;  ///< Elements of scratch; strides of a position first.

  explicit Geometry(const ConvShape& shape) {
    depth = shape.kernel[0] == 3 ? 2 : 1;
    int room = kBoxTiles;
    for (int axis = 2; axis >= 0; --axis) {
      const int edge = axis == 0 ? depth : 2;
      tiles[axis] = (shape.out[axis] + edge - 1) / edge;
      const int longest = axis == 0 ? room : least(room, kLongest[axis]);
      boxes[axis] = (tiles[axis] + longest - 1) / longest;
      box[axis] = (tiles[axis] + boxes[axis] - 1) / boxes[axis];
      boxes[axis] = (tiles[axis] + box[axis] - 1) / box[axis];
      room = most(1, room / box[axis]);
    }
    run = most(1, least(kLongestRun, box_count() / kLeastRuns));
    runs = (box_count() + run - 1) / run;
    group = shape.out_blocks();
    while (runs * groups < 8 && group >= 2 * kLeastGroup) {
      group = ((group + 1) / 2 + 1) / 2 * 2;
      groups = (shape.out_blocks() + group - 1) / group;
    }
    // A stride of whole pages would send all positions to one set of the caches.
    const std::size_t count = static_cast<std::size_t>(box[0]) * box[1] * box[2] * kBlock;
    values = count * shape.in_blocks() + 2 * kBlock;
    products = count * group + 2 * kBlock;
    sums = count * group * 4 * depth;
    patch = static_cast<std::size_t>(patch_edge(0)) * patch_edge(1) * patch_edge(2) * kBlock * shape.in_blocks();
  }

  int box_count() const { return boxes[0] * boxes[1] * boxes[2]; }
  int edge(int axis) const { return axis == 0 ? depth : 2; }
  int patch_edge(int axis) const { return box[axis] * edge(axis) + (edge(axis) == 2 ? 2 : 0); }
};

struct Box {
  int tiles[3], patch[3];
  int out_begin[3], out_size[3];
  int in_blocks, first_block, out_blocks;

  Box(const ConvShape& shape, const Geometry& geometry, int index, int group) {
    in_blocks = shape.in_blocks();
    first_block = group * geometry.group;
    out_blocks = least(geometry.group, shape.out_blocks() - first_block);
    for (int axis = 2; axis >= 0; --axis) {
      const int first = index % geometry.boxes[axis] * geometry.box[axis];
      index /= geometry.boxes[axis];
      const int edge = geometry.edge(axis);
      tiles[axis] = least(geometry.box[axis], geometry.tiles[axis] - first);
      patch[axis] = tiles[axis] * edge + (edge == 2 ? 2 : 0);
      out_begin[axis] = first * edge;
      out_size[axis] = least(tiles[axis] * edge, shape.out[axis] - out_begin[axis]);
    }
  }
  int tile_count() const { return tiles[0] * tiles[1] * tiles[2]; }
};

struct Scratch {
  void* values;
  float *products, *patch, *sums;
  std::size_t value_stride, product_stride;
};

}  // namespace
}  // namespace oncotome::kernels
