// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "oncotome/engine/components.h"
#include "oncotome/engine/inference.h"
#include "oncotome/engine/noise.h"

namespace oncotome::engine {
namespace {

struct Box {
  Index3 first, last;  // x,y,z, inclusive
  Index3 size() const { return {last[0] - first[0] + 1, last[1] - first[1] + 1, last[2] - first[2] + 1}; }
};

// Source axis (0 x, 1 y, 2 z) of a plane's W, H and D.
struct Plane {
  const char* name;
  std::array<std::size_t, 3> axis;
};
// A region's share of the progress; boxes shrink from one to the next.
struct Region {
  const char* name;
  const char* stage;
  double begin, end;
  std::size_t rank;
};
constexpr Region kWhole{"whole", "segment whole tumor", 0.05, 0.7, 0};
constexpr Region kCore{"core", "segment tumor core", 0.7, 0.9, 1};
constexpr Region kEnhancing{"enhancing", "segment enhancing core", 0.9, 1.0, 2};

constexpr Plane kPlanes[] = {{"axial", {0, 1, 2}}, {"sagittal", {1, 2, 0}}, {"coronal", {0, 2, 1}}};

class Cascade {
 public:
  Cascade(const Model& model, const MsnetCascadeInference& inference, const Prepared& prepared, std::uint64_t seed,
          const Job& job, std::vector<Probability>* probabilities)
      : model_(model),
        inference_(inference),
        in_(prepared.channels),
        size_(prepared.grid.size),
        seed_(seed),
        job_(job),
        probabilities_(probabilities) {
    for (const std::vector<std::uint8_t>& labels : {std::vector<std::uint8_t>{1, 2, 4}, {1, 4}, {4}})
      if (probabilities_) probabilities_->push_back({labels, std::vector<float>(count(size_), 0.0F)});
  }

  std::vector<std::uint8_t> run() {
    const Box everything{{0, 0, 0}, {size_[0] - 1, size_[1] - 1, size_[2] - 1}};
    std::vector<std::uint8_t> labels(count(size_), 0);
    const Mask whole = whole_tumor(closing(predict(kWhole, everything), size_, Connectivity::edges18));
    Box box;
    if (!bounding_box(whole, size_, inference_.box_margin, box.first, box.last)) return labels;
    const Mask core = largest(both(predict(kCore, box), whole));
    Mask enhancing(count(size_), 0);
    if (bounding_box(core, size_, inference_.box_margin, box.first, box.last))
      enhancing = both(predict(kEnhancing, box), core);
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = enhancing[i] ? 4 : core[i] ? 1 : whole[i] ? 2 : 0;
    return labels;
  }

 private:
  static std::size_t count(const Index3& size) { return static_cast<std::size_t>(size[0] * size[1] * size[2]); }

  static Mask both(Mask a, const Mask& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = a[i] && b[i];
    return a;
  }

  // At most the two largest components, each above the least size.
  Mask whole_tumor(const Mask& mask) const {
    return keep_two(mask, [&](std::int64_t, std::int64_t n) { return n > inference_.min_component_voxels; });
  }

  // The largest component, and the second where it has more than a tenth of it.
  Mask largest(const Mask& mask) const {
    return keep_two(mask, [](std::int64_t greatest, std::int64_t n) { return n * 10 > greatest; });
  }

  template <class Keep>
  Mask keep_two(const Mask& mask, Keep&& keep) const {
    const Components found = connected_components(mask, size_, Connectivity::edges18);
    std::vector<std::size_t> order(found.voxel_counts.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return found.voxel_counts[a] > found.voxel_counts[b]; });
    std::vector<std::uint8_t> kept(order.size() + 1, 0);
    for (std::size_t i = 0; i < std::min<std::size_t>(2, order.size()); ++i)
      kept[order[i] + 1] = keep(found.voxel_counts[order[0]], found.voxel_counts[order[i]]);
    Mask out(mask.size());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = kept[static_cast<std::size_t>(found.labels[i])];
    return out;
  }

  // Mean of the three planes' probabilities in a box, above one half.
  Mask predict(const Region& region, const Box& box) {
    const Index3 size = box.size();
    std::vector<float> sum(count(size), 0.0F);
    for (std::size_t p = 0; p < 3; ++p) add_plane(region, p, box, sum);
    Mask out(count(size_), 0);
    std::size_t i = 0;
    for (std::int64_t z = box.first[2]; z <= box.last[2]; ++z)
      for (std::int64_t y = box.first[1]; y <= box.last[1]; ++y)
        for (std::int64_t x = box.first[0]; x <= box.last[0]; ++x, ++i) {
          if (!std::isfinite(sum[i])) throw Error(ErrorCode::result_not_finite, "the network's output is not finite");
          const auto voxel = static_cast<std::size_t>(x + size_[0] * (y + size_[1] * z));
          out[voxel] = sum[i] > 1.5F;
          if (!probabilities_) continue;
          const float outer = region.rank == 0 ? 1.0F : (*probabilities_)[region.rank - 1].values[voxel];
          (*probabilities_)[region.rank].values[voxel] = std::min(outer, sum[i] / 3);
        }
    job_.report(region.stage, region.end);
    return out;
  }

  void add_plane(const Region& region, std::size_t plane_index, const Box& box, std::vector<float>& sum) {
    const Plane& plane = kPlanes[plane_index];
    const Executable& network = model_.network(std::string(region.name) + "." + plane.name);
    const Index3 size = box.size();
    const std::int64_t W = size[plane.axis[0]], H = size[plane.axis[1]], D = size[plane.axis[2]];
    const std::int64_t padded_w = (W + 3) / 4 * 4, padded_h = (H + 3) / 4 * 4;
    const std::int64_t in_depth = inference_.slab_depth, out_depth = in_depth - 8;
    const std::int64_t slabs = (D + out_depth - 1) / out_depth;
    const std::int64_t batches = (slabs + inference_.batch_size - 1) / inference_.batch_size;
    const auto start_of = [&](std::int64_t s) {
      return std::max<std::int64_t>(0, std::min(s * out_depth, D - out_depth));
    };
    for (std::int64_t b = 0; b < batches; ++b) {
      const double done =
          (static_cast<double>(plane_index) + static_cast<double>(b) / static_cast<double>(batches)) / 3.0;
      job_.report(region.stage, region.begin + (region.end - region.begin) * done);
      const std::int64_t first_slab = slabs * b / batches, N = slabs * (b + 1) / batches - first_slab;
      Tensor batch({N, 4, in_depth, padded_h, padded_w});
      std::size_t at = 0;
      for (std::int64_t n = 0; n < N; ++n)
        for (std::int64_t c = 0; c < 4; ++c) {
          const Noise noise(seed_, 16 + static_cast<std::uint64_t>(c));
          const std::int64_t first = start_of(first_slab + n) - 4;
          for (std::int64_t d = first; d < first + in_depth; ++d)
            for (std::int64_t h = 0; h < padded_h; ++h)
              for (std::int64_t w = 0; w < padded_w; ++w, ++at) {
                const bool inside = d >= 0 && d < D && h < H && w < W;
                batch.values[at] = inside ? in_.values[source(plane, box, c, d, h, w)]
                                          : noise(static_cast<std::uint64_t>((d + 4) * padded_h + h) *
                                                      static_cast<std::uint64_t>(padded_w) +
                                                  static_cast<std::uint64_t>(w));
              }
        }
      const Tensor out = run_checked(network, batch, {N, 2, out_depth, padded_h, padded_w}, job_);
      for (std::int64_t n = 0; n < N; ++n) {
        const std::int64_t s = first_slab + n, start = start_of(s);
        const std::int64_t tumor = (2 * n + 1) * out_depth * padded_h * padded_w;  // class 1 of this slab
        // The last slab overlaps the one before it: each slice counts once.
        for (std::int64_t d = s * out_depth; d < std::min(D, (s + 1) * out_depth); ++d)
          for (std::int64_t h = 0; h < H; ++h)
            for (std::int64_t w = 0; w < W; ++w)
              sum[target(plane, size, d, h, w)] +=
                  out.values[static_cast<std::size_t>(tumor + ((d - start) * padded_h + h) * padded_w + w)];
      }
    }
  }

  static Index3 position(const Plane& plane, std::int64_t d, std::int64_t h, std::int64_t w) {
    Index3 p;
    p[plane.axis[0]] = w;
    p[plane.axis[1]] = h;
    p[plane.axis[2]] = d;
    return p;
  }

  std::size_t source(const Plane& plane, const Box& box, std::int64_t c, std::int64_t d, std::int64_t h,
                     std::int64_t w) const {
    const Index3 p = position(plane, d, h, w);
    return static_cast<std::size_t>(
        (p[0] + box.first[0]) + size_[0] * ((p[1] + box.first[1]) + size_[1] * ((p[2] + box.first[2]) + size_[2] * c)));
  }

  static std::size_t target(const Plane& plane, const Index3& size, std::int64_t d, std::int64_t h, std::int64_t w) {
    const Index3 p = position(plane, d, h, w);
    return static_cast<std::size_t>(p[0] + size[0] * (p[1] + size[1] * p[2]));
  }

  const Model& model_;
  const MsnetCascadeInference& inference_;
  const Tensor& in_;
  const Index3 size_;
  const std::uint64_t seed_;
  const Job& job_;
  std::vector<Probability>* probabilities_;
};

}  // namespace

std::vector<std::uint8_t> run_msnet_cascade(const Model& model, const MsnetCascadeInference& inference,
                                            const Prepared& prepared, std::uint64_t seed, const Job& job,
                                            std::vector<Probability>* probabilities) {
  return Cascade(model, inference, prepared, seed, job, probabilities).run();
}

}  // namespace oncotome::engine
