// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config.h"
#include "oncotome/core/job.h"
#include "oncotome/training/training.h"
#include "samples.h"

namespace oncotome::training {

/// An image as the network takes it, and for each of its voxels the output of the segmentation head that is right.
struct Example {
  engine::Tensor image;            ///< [1,C,D,H,W]
  std::vector<std::uint8_t> mask;  ///< [D,H,W], empty where there is none.
};

/// The images of all parts. Each is read once at the start, so that a damaged one is found before an hour has gone;
/// what fits stays in memory, 8-bit values as bytes, masks prepared. Threads may ask at once.
class Images {
 public:
  /// Throws what the reader throws, and Error{input_unreadable, grid_mismatch} that names the place.
  Images(const Config& config, const Samples& samples, const Request& request, const Job& job);

  /// Prepared as for inference.
  Example plain(std::size_t index) const;
  /// Augmented as epoch and index say.
  Example augmented(std::size_t index, int epoch) const;

 private:
  struct Stored {
    std::vector<std::int64_t> shape;
    std::vector<std::uint8_t> bytes;  ///< Or
    std::vector<float> values;        ///< these.
    bool cached() const { return !bytes.empty() || !values.empty(); }
    std::size_t size() const { return bytes.size() + values.size() * sizeof(float); }
  };
  struct Entry {
    Stored image;
    std::vector<std::uint8_t> mask;
  };

  static Stored stored(const engine::Tensor& tensor);
  static engine::Tensor restored(const Stored& stored);
  engine::Tensor read(const std::string& path, std::int64_t channels, const std::string& place) const;
  void check(const engine::Tensor& image, const engine::Tensor& mask, const std::string& place) const;
  Example prepared(std::size_t index) const;
  std::vector<std::uint8_t> prepared_mask(const engine::Tensor& raw, const engine::Tensor& image) const;

  const Config& config_;
  const Samples& samples_;
  const Request& request_;
  const engine::Dhw grid_;
  std::vector<Entry> entries_;
};

}  // namespace oncotome::training
