// SPDX-License-Identifier: Apache-2.0
#include "pixels.h"

#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dcrleerg.h>
#include <dcmtk/dcmjpeg/djencode.h>
#include <dcmtk/dcmjpls/djencode.h>
#include <dcmtk/dcmjpls/djrparam.h>
#include <openjpeg.h>

#include <chrono>
#include <fstream>
#include <numeric>

#include "jpeg2000.h"
#include "made_series.h"
#include "oncotome/dicom/masks.h"
#include "quiet_dcmtk.h"

namespace oncotome::dicom {
namespace {

/// DCMTK's encoders tell what they ignore.
class Quiet : public ::testing::Environment {
  QuietDcmtk quiet_;
};
[[maybe_unused]] const auto* const quiet = ::testing::AddGlobalTestEnvironment(new Quiet);

void encode(const std::string& path, E_TransferSyntax syntax) {
  static const bool registered = [] {
    DcmRLEEncoderRegistration::registerCodecs();
    DJEncoderRegistration::registerCodecs(ECC_lossyYCbCr, EUC_never);
    DJLSEncoderRegistration::registerCodecs();
    return true;
  }();
  ASSERT_TRUE(registered);
  DcmFileFormat file;
  ASSERT_TRUE(file.loadFile(path.c_str()).good());
  file.loadAllDataIntoMemory();
  const DJLSRepresentationParameter jpeg_ls(0, OFTrue);
  const bool is_jpeg_ls = syntax == EXS_JPEGLSLossless;
  ASSERT_TRUE(file.getDataset()->chooseRepresentation(syntax, is_jpeg_ls ? &jpeg_ls : nullptr).good());
  ASSERT_TRUE(file.saveFile(path.c_str(), syntax).good());
}

struct Stream {
  Bytes bytes;
  std::size_t at = 0;
};

/// A lossless codestream by OpenJPEG; samples color by pixel.
Bytes jpeg2000(int width, int height, int components, int precision, bool is_signed, const std::vector<int>& samples,
               int levels = 3, int tile = 0) {
  std::vector<opj_image_cmptparm_t> parts(static_cast<std::size_t>(components));
  for (auto& part : parts) {
    part = {};
    part.dx = part.dy = 1;
    part.w = static_cast<OPJ_UINT32>(width);
    part.h = static_cast<OPJ_UINT32>(height);
    part.prec = static_cast<OPJ_UINT32>(precision);
    part.sgnd = is_signed;
  }
  opj_image_t* image = opj_image_create(static_cast<OPJ_UINT32>(components), parts.data(),
                                        components == 3 ? OPJ_CLRSPC_SRGB : OPJ_CLRSPC_GRAY);
  image->x1 = static_cast<OPJ_UINT32>(width);
  image->y1 = static_cast<OPJ_UINT32>(height);
  for (std::size_t i = 0; i < samples.size(); ++i)
    image->comps[i % static_cast<std::size_t>(components)].data[i / static_cast<std::size_t>(components)] = samples[i];
  opj_cparameters_t parameters;
  opj_set_default_encoder_parameters(&parameters);
  parameters.numresolution = levels;
  parameters.tcp_numlayers = 1;
  parameters.cp_disto_alloc = 1;
  parameters.tcp_mct = components == 3 ? 1 : 0;
  if (tile > 0) {
    parameters.tile_size_on = OPJ_TRUE;
    parameters.cp_tdx = parameters.cp_tdy = tile;
  }
  opj_codec_t* codec = opj_create_compress(OPJ_CODEC_J2K);
  EXPECT_TRUE(opj_setup_encoder(codec, &parameters, image));
  opj_stream_t* out = opj_stream_default_create(OPJ_FALSE);
  Stream stream;
  opj_stream_set_user_data(out, &stream, nullptr);
  opj_stream_set_write_function(out, [](void* data, OPJ_SIZE_T count, void* user) {
    Stream& to = *static_cast<Stream*>(user);
    to.bytes.resize(std::max(to.bytes.size(), to.at + count));
    std::memcpy(to.bytes.data() + to.at, data, count);
    to.at += count;
    return count;
  });
  opj_stream_set_seek_function(out, [](OPJ_OFF_T place, void* user) -> OPJ_BOOL {
    static_cast<Stream*>(user)->at = static_cast<std::size_t>(place);
    return OPJ_TRUE;
  });
  opj_stream_set_skip_function(out, [](OPJ_OFF_T count, void* user) {
    static_cast<Stream*>(user)->at += static_cast<std::size_t>(count);
    return count;
  });
  EXPECT_TRUE(opj_start_compress(codec, image, out) && opj_encode(codec, out) && opj_end_compress(codec, out));
  opj_stream_destroy(out);
  opj_destroy_codec(codec);
  opj_image_destroy(image);
  return stream.bytes;
}

/// A file whose frames lie in these fragments; `table` are the offsets of its frames.
class Encapsulated {
 public:
  Encapsulated(E_TransferSyntax syntax, int rows, int columns, std::vector<Bytes> fragments, int frames = 1,
               const std::vector<std::uint32_t>& table = {}) {
    DcmDataset& item = *file.getDataset();
    put_pixel_module(item, "MONOCHROME2", rows, columns, 16);
    if (frames > 1) put(item, DCM_NumberOfFrames, std::to_string(frames));
    put(item, DCM_SOPClassUID, UID_CTImageStorage);
    put(item, DCM_SOPInstanceUID, "1.2.3");
    Bytes offsets;
    for (std::uint32_t offset : table)
      for (int i = 0; i < 4; ++i, offset >>= 8) offsets.push_back(static_cast<std::uint8_t>(offset));
    fragments.insert(fragments.begin(), offsets);
    auto* sequence = new DcmPixelSequence(DcmTag(DCM_PixelData, EVR_OB));
    for (const Bytes& bytes : fragments) {
      auto* fragment = new DcmPixelItem(DcmTag(DCM_Item, EVR_OB));
      EXPECT_TRUE(sequence->insert(fragment).good());
      if (bytes.empty()) continue;
      EXPECT_TRUE(fragment->putUint8Array(bytes.data(), bytes.size()).good());
    }
    auto* pixels = new DcmPixelData(DCM_PixelData);
    pixels->putOriginalRepresentation(syntax, nullptr, sequence);
    EXPECT_TRUE(item.insert(pixels).good());
    EXPECT_TRUE(file.saveFile((folder / "x.dcm").c_str(), syntax).good());
    EXPECT_TRUE(file.loadFile((folder / "x.dcm").c_str()).good());
  }

  Frame frame(int index = 0) { return PixelSource(file, "x.dcm").frame(index); }
  std::vector<std::int64_t> values(int index = 0) { return values_of(frame(index)); }
  std::string error(int index = 0) {
    return error_of([&] { frame(index); });
  }

  static std::vector<std::int64_t> values_of(const Frame& frame) {
    std::vector<std::int64_t> all(frame.count());
    for_each_value(frame, [&](std::size_t i, std::int64_t value) { all[i] = value; });
    return all;
  }

  Folder folder;
  DcmFileFormat file;
};

std::vector<int> counting(std::size_t count, int from = 0) {
  std::vector<int> values(count);
  std::iota(values.begin(), values.end(), from);
  return values;
}

std::vector<std::int64_t> wide(const std::vector<int>& values) { return {values.begin(), values.end()}; }

void append_number(Bytes& bytes, std::uint32_t value, int count) {
  for (int i = count - 1; i >= 0; --i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void set_number(Bytes& bytes, std::size_t at, std::uint32_t value, int count) {
  Bytes number;
  append_number(number, value, count);
  std::copy(number.begin(), number.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

/// The start of a baseline JPEG up to its scan.
Bytes jpeg_header(std::uint32_t width, std::uint32_t height, std::uint32_t precision = 8) {
  Bytes b{0xff, 0xd8, 0xff, 0xc0, 0, 11, static_cast<std::uint8_t>(precision)};
  append_number(b, height, 2);
  append_number(b, width, 2);
  for (const int v : {1, 1, 0x11, 0, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0}) b.push_back(static_cast<std::uint8_t>(v));
  return b;
}

TEST(Pixels, Lossless_syntaxes_give_the_voxels_of_the_uncompressed_series) {
  Geometry grid = axial_grid(3);
  grid.size = {31, 23, 3};  // DCMTK's JPEG-LS encoder writes beyond its buffer for a few pixels.
  for (const E_TransferSyntax syntax : {EXS_RLELossless, EXS_JPEGProcess14, EXS_JPEGProcess14SV1, EXS_JPEGLSLossless}) {
    const Folder folder;
    for (const std::string& path : write_ramp(folder.path(), grid)) encode(path, syntax);
    const Series series = only_series(folder.path());
    EXPECT_EQ(fault_of(series), "none");
    EXPECT_FALSE(series.lossy);
    EXPECT_EQ(load(series).voxels, ramp(grid).voxels) << DcmXfer(syntax).getXferName();
  }
}

TEST(Pixels, A_lossy_syntax_makes_a_series_lossy_even_where_the_attribute_is_missing) {
  const Folder folder;
  const auto paths = write_ramp(folder.path(), axial_grid(), [](DcmItem& item, std::size_t) {
    put(item, DCM_BitsStored, 12);
    put(item, DCM_HighBit, 11);
    put(item, DCM_PixelRepresentation, 0);
    std::vector<Uint16> words(20);
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = static_cast<Uint16>(50 * i);
    ASSERT_TRUE(item.putAndInsertUint16Array(DCM_PixelData, words.data(), words.size()).good());
  });
  for (const std::string& path : paths) {
    encode(path, EXS_JPEGProcess2_4);
    DcmFileFormat file;
    ASSERT_TRUE(file.loadFile(path.c_str()).good());
    file.loadAllDataIntoMemory();
    file.getDataset()->findAndDeleteElement(DCM_LossyImageCompression);
    ASSERT_TRUE(file.saveFile(path.c_str(), EXS_JPEGProcess2_4).good());
  }
  const Series series = only_series(folder.path());
  EXPECT_EQ(fault_of(series), "none");
  EXPECT_TRUE(series.lossy);
  EXPECT_TRUE(has_doubt(series, "compressed with loss"));
  const std::vector<float> voxels = load(series).voxels;
  for (std::size_t i = 0; i < voxels.size(); ++i) EXPECT_NEAR(voxels[i], static_cast<float>(50 * (i % 20)), 20);
}

TEST(Pixels, Syntaxes_that_are_not_decoded_are_faults_that_name_them) {
  for (const char* uid : {"1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.94"}) {
    const Folder folder;
    for (const std::string& path : write_ramp(folder.path(), axial_grid())) {
      std::ifstream in(path, std::ios::binary);
      std::string text(std::istreambuf_iterator<char>(in), {});
      const std::string old = "1.2.840.10008.1.2.1";
      const std::size_t at = text.find(old);
      ASSERT_NE(at, std::string::npos);
      const std::string even = std::string(uid) + (std::string(uid).size() % 2 ? std::string(1, '\0') : "");
      text[at - 2] = static_cast<char>(even.size());
      text.replace(at, old.size() + 1, even);
      // The group length is of the old text; without it the group ends where its tags do.
      text.erase(132, 12);
      std::ofstream(path, std::ios::binary) << text;
    }
    const Series series = only_series(folder.path());
    ASSERT_EQ(fault_of(series), "dicom.syntax_unsupported");
    EXPECT_NE(series.fault->reason.find(uid), std::string::npos) << series.fault->reason;
  }
}

TEST(Pixels, JPEG_2000_decodes_odd_sizes_every_depth_and_sign_and_tiles) {
  struct Case {
    int width, height, precision;
    bool is_signed;
    int tile;
  };
  for (const Case& c : {Case{13, 7, 8, false, 0}, Case{1, 1, 12, false, 0}, Case{33, 17, 12, true, 0},
                        Case{64, 5, 16, true, 0}, Case{50, 41, 16, false, 16}, Case{9, 30, 10, true, 7}}) {
    const std::size_t count = static_cast<std::size_t>(c.width) * static_cast<std::size_t>(c.height);
    const int low = c.is_signed ? -(1 << (c.precision - 1)) : 0, range = 1 << c.precision;
    std::vector<int> samples(count);
    for (std::size_t i = 0; i < count; ++i)
      samples[i] = low + static_cast<int>(i * 7919 % static_cast<unsigned>(range));
    Encapsulated made(
        EXS_JPEG2000LosslessOnly, c.height, c.width,
        {jpeg2000(c.width, c.height, 1, c.precision, c.is_signed, samples, 1 + (c.width > 8) * 2, c.tile)});
    for (const int stated : {0, 1}) {  // The stream knows better.
      put(*made.file.getDataset(), DCM_PixelRepresentation, stated);
      EXPECT_EQ(made.values(), wide(samples)) << c.width << " x " << c.height << ", " << c.precision << " bits";
    }
  }
}

TEST(Pixels, JPEG_2000_color_comes_back_as_RGB_by_pixel) {
  const std::vector<int> samples = [] {
    std::vector<int> s(3 * 20 * 11);
    for (std::size_t i = 0; i < s.size(); ++i) s[i] = static_cast<int>(i * 37 % 256);
    return s;
  }();
  Encapsulated made(EXS_JPEG2000LosslessOnly, 11, 20, {jpeg2000(20, 11, 3, 8, false, samples)});
  DcmDataset& item = *made.file.getDataset();
  put(item, DCM_SamplesPerPixel, 3);
  put(item, DCM_BitsAllocated, 8);
  put(item, DCM_BitsStored, 8);
  put(item, DCM_HighBit, 7);
  put(item, DCM_PhotometricInterpretation, "YBR_RCT");
  put(item, DCM_PlanarConfiguration, 0);
  const Frame frame = made.frame();
  EXPECT_FALSE(frame.is_ycc);
  EXPECT_EQ(Encapsulated::values_of(frame), wide(samples));
}

TEST(Pixels, Frames_are_found_by_table_by_count_and_by_their_markers) {
  const Bytes one = jpeg2000(8, 8, 1, 12, false, counting(64)), two = jpeg2000(8, 8, 1, 12, false, counting(64, 100));
  const auto half = static_cast<std::ptrdiff_t>(one.size() / 4 * 2);
  const Bytes head(one.begin(), one.begin() + half), tail(one.begin() + half, one.end());
  const auto even = [](std::size_t size) { return static_cast<std::uint32_t>(size + size % 2); };
  const std::uint32_t second = 16 + even(head.size()) + even(tail.size());
  const auto expect_both = [](Encapsulated made) {
    EXPECT_EQ(made.values(1), wide(counting(64, 100)));
    EXPECT_EQ(made.values(0), wide(counting(64)));
    EXPECT_EQ(made.error(2), "input.unreadable");
  };
  expect_both({EXS_JPEG2000, 8, 8, {one, two}, 2});
  expect_both({EXS_JPEG2000, 8, 8, {head, tail, two}, 2});
  expect_both({EXS_JPEG2000, 8, 8, {head, tail, two}, 2, {0, second}});
  for (const auto& table : std::vector<std::vector<std::uint32_t>>{
           {0, second + 2}, {0, 0}, {second, 0}, {0}, {0, second, second}, {8, second}, {0, 0xffffffff}})
    EXPECT_EQ(Encapsulated(EXS_JPEG2000, 8, 8, {head, tail, two}, 2, table).error(), "input.unreadable");
  EXPECT_EQ(Encapsulated(EXS_JPEG2000, 8, 8, {head, tail, tail}, 2).error(), "input.unreadable");
  EXPECT_EQ(Encapsulated(EXS_JPEG2000, 8, 8, {one}, 2).error(), "input.unreadable");
}

TEST(Pixels, Headers_that_contradict_the_file_are_refused_before_decoding) {
  const auto start = std::chrono::steady_clock::now();
  for (const Bytes& stream : {jpeg_header(65535, 65535), jpeg_header(8, 9), jpeg_header(8, 0), jpeg_header(8, 8, 12),
                              Bytes{0xff, 0xd8}, Bytes{0, 0, 0, 0}, Bytes{}})
    EXPECT_EQ(Encapsulated(EXS_JPEGProcess1, 8, 8, {stream}).error(), "input.unreadable");
  const Bytes good = jpeg2000(8, 8, 1, 12, false, counting(64));
  const std::size_t size = 4, xsiz = size + 4, tile = xsiz + 16;
  for (const auto& [at, value] : std::vector<std::pair<std::size_t, std::uint32_t>>{
           {xsiz, 65535}, {xsiz + 4, 65535}, {xsiz, 0}, {tile, 0}, {tile + 4, 0}, {xsiz + 8, 9}, {tile + 8, 5}}) {
    Bytes bad = good;
    set_number(bad, at, value, 4);
    EXPECT_EQ(Encapsulated(EXS_JPEG2000, 8, 8, {bad}).error(), "input.unreadable") << at;
  }
  Bytes components = good;
  set_number(components, tile + 16, 16384, 2);
  EXPECT_EQ(Encapsulated(EXS_JPEG2000, 8, 8, {components}).error(), "input.unreadable");
  Bytes tiles = good;
  for (const std::size_t at : {xsiz, xsiz + 4}) set_number(tiles, at, 16384, 4);
  for (const std::size_t at : {tile, tile + 4}) set_number(tiles, at, 1, 4);
  EXPECT_EQ(Encapsulated(EXS_JPEG2000, 16384, 16384, {tiles}).error(), "input.unreadable");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
}

TEST(Pixels, Sizes_of_a_codestream_whose_blocks_no_number_counts_are_refused) {
  Bytes huge = jpeg2000(8, 8, 1, 12, false, counting(64));
  for (const std::size_t at : {8, 12, 24, 28}) set_number(huge, at, 0xffffffff, 4);  // the image and its tile
  for (std::size_t at = 0; at + 1 < huge.size(); ++at)
    if (huge[at] == 0xff && huge[at + 1] == 0x52) {  // precincts of one pixel
      huge[at + 4] |= 1;
      huge[at + 3] = static_cast<std::uint8_t>(huge[at + 3] + 3);
      huge.insert(huge.begin() + static_cast<std::ptrdiff_t>(at) + 14, 3, 0);
      break;
    }
  EXPECT_EQ(error_of([&] { read_jpeg2000_header(huge); }), "input.unreadable");
}

TEST(Pixels, A_JPEG_that_is_far_too_short_for_its_size_is_refused_before_decoding) {
  EXPECT_EQ(error_of([] { read_jpeg_header(jpeg_header(16384, 16384)); }), "input.unreadable");
  EXPECT_EQ(error_of([] { read_jpeg_header(jpeg_header(64, 64)); }), "none");
  Bytes lossless = jpeg_header(64, 64);
  lossless[3] = 0xc3;
  EXPECT_EQ(error_of([&] { read_jpeg_header(lossless); }), "input.unreadable");
  lossless[3] = 0xf7;  // JPEG-LS
  EXPECT_EQ(error_of([&] { read_jpeg_header(lossless); }), "none");
}

TEST(Pixels, A_label_map_whose_codestream_has_signed_numbers_is_refused) {
  for (const bool is_signed : {false, true}) {
    Encapsulated made(EXS_JPEG2000LosslessOnly, 1, 2, {jpeg2000(2, 1, 1, 8, is_signed, {is_signed ? -1 : 1, 0}, 1)});
    DcmDataset& item = *made.file.getDataset();
    put(item, DCM_SOPClassUID, "1.2.840.10008.5.1.4.1.1.66.7");
    put(item, DCM_SegmentationType, "LABELMAP");
    put(item, DCM_NumberOfFrames, "1");
    const auto add = [](DcmItem& to, const DcmTagKey& sequence) -> DcmItem& {
      DcmItem* added = nullptr;
      EXPECT_TRUE(to.findOrCreateSequenceItem(sequence, added, -2).good());
      return *added;
    };
    put(add(item, DCM_SegmentSequence), DCM_SegmentNumber, 1);
    DcmItem& shared = add(item, DCM_SharedFunctionalGroupsSequence);
    DcmItem& measures = add(shared, DCM_PixelMeasuresSequence);
    put(measures, DCM_PixelSpacing, "1\\1");
    put(measures, DCM_SliceThickness, "1");
    put(add(shared, DCM_PlaneOrientationSequence), DCM_ImageOrientationPatient, "1\\0\\0\\0\\1\\0");
    put(add(add(item, DCM_PerFrameFunctionalGroupsSequence), DCM_PlanePositionSequence), DCM_ImagePositionPatient,
        "0\\0\\0");
    const std::string path = made.folder / "seg.dcm";
    ASSERT_TRUE(made.file.saveFile(path.c_str(), EXS_JPEG2000LosslessOnly).good());
    EXPECT_EQ(error_of([&] { read_segmentation(path, Job(), {}); }), is_signed ? "dicom.bad_value" : "none");
  }
}

TEST(Pixels, JPEG_2000_beyond_part_1_is_unsupported) {
  Bytes stream = jpeg2000(8, 8, 1, 12, false, counting(64));
  stream[6] = 0x40;
  EXPECT_EQ(Encapsulated(EXS_JPEG2000, 8, 8, {stream}).error(), "input.unsupported");
  stream[6] = 0x80;
  EXPECT_EQ(Encapsulated(EXS_JPEG2000, 8, 8, {stream}).error(), "input.unsupported");
}

TEST(Pixels, A_stream_cut_anywhere_is_an_error_and_no_image) {
  const Bytes good = jpeg2000(16, 16, 1, 12, false, counting(256));
  for (std::size_t keep = 0; keep + 2 < good.size(); keep += 2) {
    const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(keep));
    EXPECT_EQ(Encapsulated(EXS_JPEG2000, 16, 16, {cut}).error(), "input.unreadable") << keep;
  }
}

TEST(Pixels, RLE_with_a_wrong_number_of_segments_is_refused) {
  const auto rle = [](std::uint8_t segments) {
    Bytes b(68);
    b[0] = segments;
    b[4] = 64;
    b[8] = 66;
    b[64] = b[66] = 0xfd;  // Four times the next byte.
    b[65] = 1;
    b[67] = 2;
    return b;
  };
  EXPECT_EQ(Encapsulated(EXS_RLELossless, 2, 2, {rle(2)}).values(), (std::vector<std::int64_t>(4, 258)));
  for (const std::uint8_t segments : {0, 1, 3, 15, 255})
    EXPECT_EQ(Encapsulated(EXS_RLELossless, 2, 2, {rle(segments)}).error(), "input.unreadable");
  EXPECT_EQ(Encapsulated(EXS_RLELossless, 2, 3, {rle(2)}).error(), "input.unreadable");
  EXPECT_EQ(Encapsulated(EXS_RLELossless, 2, 2, {Bytes(20)}).error(), "input.unreadable");
  Bytes promised = rle(2);
  promised[66] = 127;  // 128 literal bytes, of which one is there.
  EXPECT_EQ(Encapsulated(EXS_RLELossless, 2, 2, {promised}).error(), "input.unreadable");
}

TEST(Pixels, YBR_FULL_422_gives_both_pixels_of_a_pair_its_color) {
  DcmFileFormat file;
  DcmDataset& item = *file.getDataset();
  put_pixel_module(item, "YBR_FULL_422", 1, 4, 8);
  put(item, DCM_SamplesPerPixel, 3);
  const Uint8 cells[] = {1, 2, 3, 4, 5, 6, 7, 8};
  ASSERT_TRUE(item.putAndInsertUint8Array(DCM_PixelData, cells, 8).good());
  const Frame frame = PixelSource(file, "x.dcm").frame(0);
  EXPECT_TRUE(frame.is_ycc);
  EXPECT_EQ(frame.cells, (Bytes{1, 3, 4, 2, 3, 4, 5, 7, 8, 6, 7, 8}));
}

}  // namespace
}  // namespace oncotome::dicom
