// SPDX-License-Identifier: Apache-2.0
#include "picture.h"

#include <utility>

#include "guarded.h"
#include "image_io.h"
#include "itkOncotomeBridge.h"
#include "picture_inputs.h"

namespace oncotome::python {
namespace {

engine::Tensor read_picture_at(const std::string& path, const engine::ModelPackage& package, const Job& job) {
  const workflow::PictureInputs found = workflow::find_pictures({path}, "", job);
  if (found.pictures.size() > 1)
    throw Error(ErrorCode::input_ambiguous,
                "the input holds " + std::to_string(found.pictures.size()) + " images; give one");
  if (!found.pictures.empty()) return load_picture_input(found.pictures.front(), package, job);
  if (found.rejected.empty()) throw Error(ErrorCode::input_no_images, "the input holds no image");
  throw Error(found.rejected.front().code, found.rejected.front().reason);
}

engine::Tensor as_tensor(const PictureRequest& request, std::int64_t wanted) {
  if (wanted != 1 && wanted != 3)
    throw Error(ErrorCode::model_unsupported,
                "the model takes images of " + std::to_string(wanted) + " channels; a picture has one or three");
  return workflow::picture_tensor(
      request.height, request.width, request.channels, wanted,
      [&](std::size_t i, std::size_t c) { return request.values[i * static_cast<std::size_t>(request.channels) + c]; });
}

}  // namespace

PictureResult classify_picture(const PictureRequest& request, const Job& job) {
  return workflow::guarded(ErrorCode::input_unreadable, [&] {
    const ReadModel read(request.model, job);
    PictureResult out;
    out.package = read.package();
    const engine::ImageInference& inference = engine::image_inference(out.package);
    job.report("read", 0);
    const engine::Tensor raw = request.path.empty() ? as_tensor(request, inference.network.in_channels)
                                                    : read_picture_at(request.path, out.package, job);
    job.report("load model", 0.1);
    const auto model = read.loaded();
    job.report("classify", 0.2);
    engine::ImageResult found = std::move(engine::run_images(*model, {raw}, job).front());
    out.classification = std::move(found.classification);
    if (!found.labels.empty()) {
      out.labels.geometry.size = {raw.shape[4], raw.shape[3], 1};
      out.labels.voxels = std::move(found.labels);
    }
    job.report("classify", 1);
    return out;
  });
}

}  // namespace oncotome::python
