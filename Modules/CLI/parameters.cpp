// SPDX-License-Identifier: Apache-2.0
#include "parameters.h"

namespace oncotome::cli {

using sem::Kind;
using sem::Parameter;

Parameter scan_parameter() {
  return Parameter(Kind::image, "inputVolume", "Input volume", "The scan, or the first of a model's channels.")
      .of_type("scalar")
      .in();
}

Parameters further_volumes() {
  Parameters all;
  for (const char* number : {"2", "3", "4"})
    all.push_back(Parameter(Kind::image, std::string("inputVolume") + number, std::string("Input volume ") + number,
                            "A further channel, for models that take several.")
                      .of_type("scalar")
                      .in());
  return all;
}

Parameter lesions_parameter() {
  return Parameter(Kind::image, "inputLesions", "Lesions",
                   "Label image or segmentation; each connected piece of its lesion labels is a lesion, numbered by "
                   "falling volume.")
      .of_type("label")
      .in();
}

Parameters model_parameters() {
  return {Parameter(Kind::text, "model", "Model",
                    "Name of a model in the model folder or of those that come with the program, or the path of one: a "
                    "package, a results folder of nnU-Net v2, a folder of TotalSegmentator, a MONAI bundle."),
          Parameter(Kind::directory, "modelFolder", "Model folder", "Folder of folders in which models are looked for.")
              .in(),
          Parameter(Kind::text_list, "channels", "Channels",
                    "Which of the model's channels each volume is, such as T1ce,FLAIR. Empty: they come in the "
                    "model's own order.")};
}

Parameters lesion_parameters() {
  return {Parameter(Kind::integer_list, "labels", "Lesion labels",
                    "Values of the label image that make a lesion. Empty: every one but 0.")
              .between(1, 255),
          Parameter(Kind::real, "minimumVolume", "Minimum volume", "Smaller pieces are no lesions; mm3.")
              .by_default("0")
              .between(0, 1e7)};
}

Parameters device_parameters() {
  return {Parameter(Kind::choice, "device", "Device",
                    "Where the network runs; auto takes a CUDA device where there is one.")
              .one_of({"auto", "cpu", "cuda"}),
          Parameter(Kind::choice, "precision", "Precision",
                    "f32, or strict: float32 in sums of one order; bf16 and int8: coarser and faster, on the CPU.")
              .one_of({"f32", "strict", "bf16", "int8"}),
          Parameter(Kind::integer, "threads", "Threads", "0 is one per core.").by_default("0").between(0, 4096)};
}

Parameters together(const std::vector<Parameters>& lists) {
  Parameters all;
  for (const Parameters& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

}  // namespace oncotome::cli
