// SPDX-License-Identifier: Apache-2.0
#include <itkObject.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <exception>
#include <memory>
#include <optional>

#include "picture.h"
#include "running.h"
#include "study.h"

namespace py = pybind11;

namespace {

using namespace oncotome;
using python::computed;
using python::ModelSource;
using python::PictureResult;
using python::Running;
using python::StudyResult;
using Voxels = py::array_t<float, py::array::c_style>;

/// A channel as Python gives it; keeps its array.
struct Channel {
  Channel(std::string channel_name, std::string channel_path)
      : source{std::move(channel_name), std::move(channel_path), {}} {}

  Channel(std::string channel_name, Voxels channel_voxels, const Vec3& spacing, const Vec3& origin,
          const std::array<Vec3, 3>& direction, py::object voxels_owner)
      : source{std::move(channel_name), "", {}}, voxels(std::move(channel_voxels)), owner(std::move(voxels_owner)) {
    if (voxels.ndim() != 3) throw Error(ErrorCode::usage, "an image must have three axes: z, y, x");
    source.view.geometry =
        python::checked_geometry({voxels.shape(2), voxels.shape(1), voxels.shape(0)}, spacing, origin, direction);
    source.view.voxels = voxels.data();
  }

  python::ChannelSource source;
  Voxels voxels;
  py::object owner;  ///< Of the array's memory, which a view of an itk image does not keep.
};

ModelSource source_of(const std::string& path, const std::string& device, const std::string& precision, int threads) {
  return {path, engine::parse_device(device), engine::parse_precision(precision), threads, nullptr};
}

std::shared_ptr<StudyResult> segment(const ModelSource& model, const std::string& path, const std::string& study_uid,
                                     const std::vector<std::shared_ptr<Channel>>& channels,
                                     const std::shared_ptr<Channel>& mask, const std::string& brain_model,
                                     std::uint64_t seed, py::object progress) {
  python::StudyRequest request;
  request.model = model;
  request.path = path;
  request.study_uid = study_uid;
  for (const auto& channel : channels) request.channels.push_back(channel->source);
  if (mask) request.mask = mask->source;
  request.brain_model = brain_model;
  request.seed = seed;
  return computed(&python::segment_study, request, std::move(progress));
}

std::shared_ptr<PictureResult> classify(const ModelSource& model, const std::string& path,
                                        const std::optional<Voxels>& pixels, py::object progress) {
  python::PictureRequest request;
  request.model = model;
  request.path = path;
  if (pixels) {
    if (pixels->ndim() != 3 || (pixels->shape(2) != 1 && pixels->shape(2) != 3) || pixels->size() == 0)
      throw Error(ErrorCode::usage, "a picture has the axes y, x, and of RGB a third one of 3");
    request.values = pixels->data();
    request.height = pixels->shape(0);
    request.width = pixels->shape(1);
    request.channels = pixels->shape(2);
  }
  return computed(&python::classify_picture, request, std::move(progress));
}

// The voxels where they are, z, y, x; the array keeps the result.
template <class T>
py::array voxels_of(const py::object& result, Volume<T>& volume) {
  const Index3& size = volume.geometry.size;
  return py::array_t<T>({size[2], size[1], size[0]}, volume.voxels.data(), result);
}

py::tuple tuple_of(const Vec3& v) { return py::make_tuple(v[0], v[1], v[2]); }

py::tuple direction_of(const Geometry& geometry) {
  py::tuple rows(3);
  for (std::size_t row = 0; row < 3; ++row)
    rows[row] = py::make_tuple(geometry.axis[0][row], geometry.axis[1][row], geometry.axis[2][row]);
  return rows;
}

py::dict names_of(const std::vector<Label>& labels) {
  py::dict names;
  for (const Label& label : labels) names[py::int_(label.value)] = label.name;
  return names;
}

py::dict probabilities_of(const PictureResult& result) {
  py::dict probabilities;
  const auto& classes = engine::image_inference(result.package).classes;
  for (std::size_t k = 0; k < result.classification.probabilities.size(); ++k)
    probabilities[py::str(classes[k].name)] = result.classification.probabilities[k];
  return probabilities;
}

// (y, x), where they are.
py::object picture_labels(const py::object& self) {
  LabelVolume& labels = self.cast<PictureResult&>().labels;
  if (labels.voxels.empty()) return py::none();
  return voxels_of(self, labels).attr("__getitem__")(0);
}

void set_python_error(const Error& e) {
  const py::module_ python = py::module_::import("oncotome._error");
  py::set_error(python.attr("Error"), python.attr("from_program")(e.what(), e.name(), e.exit_code()));
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  // Libraries print nothing.
  itk::Object::GlobalWarningDisplayOff();
  py::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(std::move(thrown));
    } catch (const Error& e) {
      set_python_error(e);
    }
  });

  m.attr("version") = ONCOTOME_VERSION;
  const auto process = [] { return py::module_::import("os").attr("getpid")().cast<long>(); };
  py::module_::import("atexit").attr("register")(py::cpp_function([process, first = process()] {
    if (process() == first) Running::end_all();  // A fork has none of the threads.
  }));

  py::class_<ModelSource>(m, "ModelSource")
      .def(py::init(&source_of), py::arg("path"), py::arg("device"), py::arg("precision"), py::arg("threads"))
      .def_property_readonly("package", &python::read_package);
  m.def(
      "load",
      [](const ModelSource& source) { return Running::without_gil([&] { return python::load_model(source); }); },
      py::arg("source"));

  py::class_<Channel, std::shared_ptr<Channel>>(m, "Channel")
      .def(py::init<std::string, std::string>(), py::arg("name"), py::arg("path"))
      .def(py::init<std::string, Voxels, const Vec3&, const Vec3&, const std::array<Vec3, 3>&, py::object>(),
           py::arg("name"), py::arg("voxels").noconvert(), py::arg("spacing"), py::arg("origin"), py::arg("direction"),
           py::arg("owner"));

  py::class_<engine::ModelPackage>(m, "Model", "What a model says of itself.")
      .def(py::init([](const py::object& path) {
             const auto place = py::module_::import("os").attr("fsencode")(path).cast<std::string>();
             return Running::without_gil([&] { return python::read_package({place, {}, {}, 0, nullptr}); });
           }),
           py::arg("path"))
      .def_readonly("name", &engine::ModelPackage::name)
      .def_readonly("title", &engine::ModelPackage::title)
      .def_readonly("version", &engine::ModelPackage::version)
      .def_readonly("modality", &engine::ModelPackage::modality, "DICOM's, such as MR or CT.")
      .def_readonly("intended_use", &engine::ModelPackage::intended_use)
      .def_readonly("license", &engine::ModelPackage::license)
      .def_property_readonly("channels",
                             [](const engine::ModelPackage& package) {
                               py::list names;
                               for (const engine::ChannelSpec& channel : package.channels) names.append(channel.name);
                               return py::tuple(names);
                             })
      .def_property_readonly("labels", [](const engine::ModelPackage& package) { return names_of(package.labels); })
      .def("__repr__", [](const engine::ModelPackage& package) {
        return py::str("Model(name={!r}, version={!r}, title={!r})")
            .format(package.name, package.version, package.title);
      });

  py::class_<Lesion>(m, "Lesion", "One 26-connected component of the labels that are lesions, measured.")
      .def_readonly("id", &Lesion::id, "1, 2, ... by falling volume; its value in lesion_ids.")
      .def_readonly("voxel_count", &Lesion::voxel_count)
      .def_readonly("volume_mm3", &Lesion::volume_mm3, "Sum of voxels, IBSI YEKZ.")
      .def_readonly("mesh_volume_mm3", &Lesion::mesh_volume_mm3, "Inside the surface by marching cubes, IBSI RNU0.")
      .def_readonly("surface_area_mm2", &Lesion::surface_area_mm2, "Of that surface, IBSI C0JK.")
      .def_readonly("sphericity", &Lesion::sphericity, "0 to 1, IBSI QCFX.")
      .def_readonly("longest_diameter_mm", &Lesion::longest_diameter_mm, "In three dimensions, IBSI L0JK.")
      .def_readonly("longest_axial_diameter_mm", &Lesion::longest_axial_diameter_mm, "In one x-y slice.")
      .def_property_readonly(
          "centroid_mm", [](const Lesion& lesion) { return tuple_of(lesion.centroid_mm); }, "x, y, z in LPS.")
      .def_readonly("key_slice", &Lesion::key_slice, "Index z of the slice with the longest axial diameter.")
      .def_readonly("touches_border", &Lesion::touches_border, "The volume is a lower bound then.")
      .def_readonly("touches_unmeasured", &Lesion::touches_unmeasured, "Reaches where slices are missing.")
      .def_property_readonly(
          "volume_by_label_mm3", [](const Lesion& lesion) { return py::dict(py::cast(lesion.volume_by_label_mm3)); },
          "By label value.")
      .def("__repr__", [](const Lesion& lesion) {
        return py::str("Lesion(id={}, volume_mm3={:.6g}, longest_diameter_mm={:.4g})")
            .format(lesion.id, lesion.volume_mm3, lesion.longest_diameter_mm);
      });

  py::class_<StudyResult, std::shared_ptr<StudyResult>>(m, "Result")
      .def_property_readonly(
          "labels",
          [](const py::object& self) { return voxels_of(self, self.cast<StudyResult&>().segmentation.labels); })
      .def_property_readonly(
          "lesion_ids", [](const py::object& self) { return voxels_of(self, self.cast<StudyResult&>().lesions.ids); })
      .def_property_readonly("spacing",
                             [](const StudyResult& r) { return tuple_of(r.segmentation.labels.geometry.spacing_mm); })
      .def_property_readonly("origin",
                             [](const StudyResult& r) { return tuple_of(r.segmentation.labels.geometry.origin_mm); })
      .def_property_readonly("direction",
                             [](const StudyResult& r) { return direction_of(r.segmentation.labels.geometry); })
      .def_property_readonly("lesions", [](const StudyResult& r) { return py::tuple(py::cast(r.lesions.lesions)); })
      .def_property_readonly("corrections",
                             [](const StudyResult& r) { return py::tuple(py::cast(r.segmentation.corrections)); })
      .def_property_readonly("doubts", [](const StudyResult& r) { return py::tuple(py::cast(r.segmentation.doubts)); })
      .def_property_readonly("model", [](const StudyResult& r) { return r.package; })
      .def(
          "write",
          [](const StudyResult& result, const std::string& path) {
            Running::without_gil([&] { python::write_labels(result, path); });
          },
          py::arg("path"));

  py::class_<PictureResult, std::shared_ptr<PictureResult>>(m, "PictureResult")
      .def_property_readonly("probabilities", &probabilities_of)
      .def_property_readonly("entropy", [](const PictureResult& r) { return r.classification.entropy; })
      .def_property_readonly("refusal", [](const PictureResult& r) { return r.classification.refusal; })
      .def_property_readonly("labels", &picture_labels)
      .def_property_readonly("model", [](const PictureResult& r) { return r.package; });

  m.def("classify", &classify, py::kw_only(), py::arg("model"), py::arg("path"), py::arg("pixels").noconvert(),
        py::arg("progress"));
  m.def("segment", &segment, py::kw_only(), py::arg("model"), py::arg("path"), py::arg("study"), py::arg("channels"),
        py::arg("mask"), py::arg("brain_model"), py::arg("seed"), py::arg("progress"));
}
