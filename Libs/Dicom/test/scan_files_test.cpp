// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <zlib.h>

#include <ctime>
#include <fstream>

#include "made_series.h"

namespace oncotome::dicom {
namespace {

namespace fs = std::filesystem;

void write_text(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

void resave(const std::string& path, E_TransferSyntax syntax, E_FileWriteMode mode = EWM_fileformat) {
  DcmFileFormat file;
  ASSERT_TRUE(file.loadFile(path.c_str()).good());
  file.loadAllDataIntoMemory();
  ASSERT_TRUE(file.getDataset()->chooseRepresentation(syntax, nullptr).good());
  ASSERT_TRUE(file.saveFile(path.c_str(), syntax, EET_ExplicitLength, EGL_recalcGL, EPD_noChange, 0, 0, mode).good());
}

Series edited(const Edit& edit, const std::string& modality = "MR") {
  const Folder folder;
  write_ramp(folder.path(), axial_grid(), edit, modality);
  return only_series(folder.path());
}

Series with_slice_2(const DcmTagKey& tag, const std::string& text) {
  return edited([&](DcmItem& item, std::size_t slice) {
    if (slice == 2) put(item, tag, text);
  });
}

Series with_slice_2(const DcmTagKey& tag, int value) {
  return edited([&](DcmItem& item, std::size_t slice) {
    if (slice == 2) put(item, tag, value);
  });
}

TEST(Scan, Values_that_make_no_sense_are_faults) {
  const auto bad = [](const Series& series) {
    EXPECT_EQ(fault_of(series), "dicom.bad_value") << (series.fault ? series.fault->reason : "");
  };
  bad(with_slice_2(DCM_Rows, 0));
  bad(with_slice_2(DCM_Columns, 16385));
  bad(with_slice_2(DCM_BitsAllocated, 12));
  bad(with_slice_2(DCM_BitsAllocated, 64));
  bad(with_slice_2(DCM_BitsStored, 17));
  bad(with_slice_2(DCM_BitsStored, 0));
  bad(with_slice_2(DCM_HighBit, 14));
  bad(with_slice_2(DCM_HighBit, 16));
  bad(with_slice_2(DCM_PixelRepresentation, 2));
  bad(with_slice_2(DCM_SamplesPerPixel, 3));
  bad(with_slice_2(DCM_NumberOfFrames, "2"));
  bad(with_slice_2(DCM_NumberOfFrames, "1e3"));
  bad(with_slice_2(DCM_RescaleSlope, "0"));
  bad(with_slice_2(DCM_RescaleSlope, "nan"));
  bad(with_slice_2(DCM_RescaleSlope, "1,5"));
  bad(with_slice_2(DCM_RescaleIntercept, "1\\2"));
  bad(with_slice_2(DCM_PixelSpacing, "0,7\\0,7"));
  bad(with_slice_2(DCM_PixelSpacing, "0.7"));
  bad(with_slice_2(DCM_PixelSpacing, "0\\0.7"));
  bad(with_slice_2(DCM_ImagePositionPatient, "1\\inf\\3"));
  bad(with_slice_2(DCM_ImagePositionPatient, "1\\2"));
  bad(with_slice_2(DCM_ImageOrientationPatient, "0\\0\\0\\0\\0\\0"));
  bad(with_slice_2(DCM_ImageOrientationPatient, "1\\0\\0\\1\\0\\0"));
  bad(with_slice_2(DCM_FrameOfReferenceUID, "../../etc"));
}

TEST(Scan, The_faulty_instance_is_named) {
  const Folder folder;
  const auto paths = write_ramp(folder.path(), axial_grid());
  const std::string uid = only_series(folder.path()).instances[2].sop_instance_uid;
  const Series series = with_slice_2(DCM_RescaleSlope, "0");
  ASSERT_TRUE(series.fault);
  EXPECT_NE(series.fault->reason.find(uid), std::string::npos) << series.fault->reason;
}

TEST(Scan, Oddities_of_the_values_are_doubts) {
  EXPECT_TRUE(
      has_doubt(edited([](DcmItem& item, std::size_t) { item.findAndDeleteElement(DCM_RescaleIntercept); }, "CT"),
                "CT without RescaleIntercept"));
  const Series negative = edited([](DcmItem& item, std::size_t) { put(item, DCM_RescaleSlope, "-1"); });
  EXPECT_EQ(fault_of(negative), "none");
  EXPECT_TRUE(has_doubt(negative, "negative"));
  EXPECT_EQ(fault_of(edited([](DcmItem& item, std::size_t) { put(item, DCM_RescaleSlope, "-1"); }, "CT")),
            "dicom.bad_value");
}

TEST(Scan, Images_once_compressed_with_loss_or_without_a_frame_of_reference_are_doubted) {
  EXPECT_TRUE(has_doubt(with_slice_2(DCM_LossyImageCompression, "01"), "compressed with loss"));
  EXPECT_TRUE(has_doubt(edited([](DcmItem& item, std::size_t) { item.findAndDeleteElement(DCM_FrameOfReferenceUID); }),
                        "FrameOfReferenceUID"));
  EXPECT_TRUE(has_doubt(with_slice_2(DCM_ImageType, "DERIVED\\PRIMARY\\OTHER"), "ImageType"));
}

TEST(Scan, Two_modalities_in_one_series_are_a_fault) {
  EXPECT_EQ(fault_of(with_slice_2(DCM_Modality, "CT")), "dicom.bad_value");
  EXPECT_EQ(fault_of(with_slice_2(DCM_SOPClassUID, UID_CTImageStorage)), "dicom.bad_value");
}

TEST(Scan, A_file_without_its_pixels_is_a_fault) {
  Geometry grid = axial_grid();
  grid.size = {64, 64, 6};
  const Folder folder;
  const auto paths = write_ramp(folder.path(), grid, {});
  fs::resize_file(paths[1], 64 * 64);
  EXPECT_EQ(fault_of(only_series(folder.path())), "input.unreadable");
}

TEST(Scan, A_DICOMDIR_is_passed_over) {
  const Folder folder;
  write_ramp(folder.path(), axial_grid(1),
             [](DcmItem& item, std::size_t) { put(item, DCM_SOPClassUID, UID_MediaStorageDirectoryStorage); });
  const StudyIndex index = scan_all(folder.path());
  EXPECT_EQ(index.files_seen, 1u);
  EXPECT_TRUE(index.rejected.empty());
}

TEST(Scan, Units_follow_modality_and_tags) {
  EXPECT_EQ(edited({}, "CT").unit, "HU");
  EXPECT_EQ(edited([](DcmItem& item, std::size_t) { item.findAndDeleteElement(DCM_RescaleType); }, "CT").unit, "HU");
  EXPECT_EQ(edited({}, "PT").unit, "BQML");
  EXPECT_EQ(fault_of(edited([](DcmItem& item, std::size_t) { delete item.remove(DCM_RescaleSlope); }, "PT")),
            "dicom.bad_value");
  EXPECT_EQ(edited({}, "MR").unit, "");
  EXPECT_EQ(
      fault_of(edited([](DcmItem& item, std::size_t slice) { put(item, DCM_Units, slice ? "GML" : "BQML"); }, "PT")),
      "dicom.bad_value");
}

TEST(Scan, Descriptive_tags_are_taken_over_as_clean_UTF_8) {
  const Series latin = edited([](DcmItem& item, std::size_t) {
    put(item, DCM_SpecificCharacterSet, "ISO_IR 100");
    put(item, DCM_SeriesDescription, "T1 Gef\xE4\xDF");
    put(item, DCM_ContrastBolusAgent, "Gd");
    put(item, DCM_InversionTime, "900");
  });
  EXPECT_EQ(latin.description, "T1 Gef\xC3\xA4\xC3\x9F");
  EXPECT_TRUE(latin.contrast);
  EXPECT_EQ(latin.repetition_time_ms, 500);
  EXPECT_EQ(latin.echo_time_ms, 10);
  EXPECT_EQ(latin.inversion_time_ms, 900);
  EXPECT_EQ(latin.image_type, "ORIGINAL\\PRIMARY\\OTHER");
  const Series broken = edited([](DcmItem& item, std::size_t) {
    put(item, DCM_SpecificCharacterSet, "ISO_IR 192");
    put(item, DCM_SeriesDescription, "T1\xFF\x1B[2J");
  });
  EXPECT_EQ(broken.description, "T1??[2J");
}

TEST(Scan, Equal_copies_are_left_out_and_different_ones_are_a_fault) {
  const Folder folder;
  const auto paths = write_ramp(folder.path(), axial_grid());
  fs::copy(paths[2], folder / "copy.dcm");
  const Series series = only_series(folder.path());
  EXPECT_EQ(fault_of(series), "none");
  EXPECT_EQ(series.instances.size(), 6u);
  EXPECT_TRUE(has_doubt(series, "1 copies"));
  std::ofstream(folder / "copy.dcm", std::ios::binary | std::ios::app) << "  ";
  EXPECT_EQ(fault_of(only_series(folder.path())), "dicom.bad_value");
}

TEST(Scan, Two_patients_in_one_study_are_a_fault) {
  const Folder folder;
  write_ramp(folder.path(), axial_grid());
  const std::string one = scan_all(folder.path()).studies.at(0).patient_key;
  EXPECT_EQ(one.find("ONCOTOME"), std::string::npos);
  write_ramp(folder / "2", axial_grid(), [](DcmItem& item, std::size_t slice) {
    put(item, DCM_PatientID, "OTHER");
    put(item, DCM_SeriesInstanceUID, "1.2.3");
    put(item, DCM_SOPInstanceUID, "1.2.3." + std::to_string(slice + 1));
    put(item, DCM_ImagePositionPatient, "0\\" + std::to_string(slice) + "\\" + std::to_string(3 * slice));  // A tilt.
  });
  const StudyIndex index = scan_all(folder.path());
  ASSERT_EQ(index.studies.size(), 1u);
  ASSERT_EQ(index.studies[0].series.size(), 2u);
  for (const Series& series : index.studies[0].series) {
    EXPECT_EQ(fault_of(series), "dicom.mixed_patients");
    EXPECT_FALSE(series.is_readable(GeometryPolicy::fill));
  }
  EXPECT_NE(scan_all(folder / "2").studies.at(0).patient_key, one);
}

TEST(Scan, Series_of_two_scans_tell_whether_they_are_of_one_patient) {
  const Folder folder;
  const auto write = [&](const std::string& name, const std::string& id, const std::string& patient) {
    write_ramp(folder / name, axial_grid(), [&](DcmItem& item, std::size_t) {
      put(item, DCM_PatientID, id);
      put(item, DCM_PatientName, patient);
    });
    return only_series(folder / name).patient_key;
  };
  const std::string one = write("1", "ID-1", "Doe^Jane");
  EXPECT_EQ(one.size(), 64u);
  EXPECT_EQ(write("2", "ID-1 ", "Doe^Jane^^^"), one);
  EXPECT_NE(write("3", "ID-2", "Doe^Jane"), one);
  EXPECT_NE(write("4", "ID-1", "Doe^John"), one);
}

TEST(Scan, Objects_that_are_no_volume_images_are_rejected_with_the_reason) {
  for (const char* uid : {UID_RTStructureSetStorage, UID_SegmentationStorage, UID_Comprehensive3DSRStorage,
                          UID_GrayscaleSoftcopyPresentationStateStorage, UID_KeyObjectSelectionDocumentStorage}) {
    const Folder folder;
    write_ramp(folder.path(), axial_grid(1), [&](DcmItem& item, std::size_t) { put(item, DCM_SOPClassUID, uid); });
    const StudyIndex index = scan_all(folder.path());
    EXPECT_TRUE(index.studies.empty());
    ASSERT_EQ(index.rejected.size(), 1u);
    EXPECT_EQ(index.rejected[0].code, ErrorCode::input_unsupported);
    EXPECT_NE(index.rejected[0].reason.find("not an image series"), std::string::npos) << index.rejected[0].reason;
  }
}

TEST(Scan, A_bad_UID_rejects_the_file_alone) {
  const Folder folder;
  const auto paths = write_ramp(folder.path(), axial_grid(), [](DcmItem& item, std::size_t slice) {
    if (slice == 5) put(item, DCM_SOPInstanceUID, "../../etc/passwd");
  });
  const StudyIndex index = scan_all(folder.path());
  ASSERT_EQ(index.rejected.size(), 1u);
  EXPECT_EQ(index.rejected[0].path, paths[5]);
  EXPECT_EQ(index.rejected[0].code, ErrorCode::dicom_bad_value);
  EXPECT_EQ(only_series(index).instances.size(), 5u);
}

TEST(Scan, A_deflated_series_is_inflated_and_read) {
  const Folder folder;
  for (const std::string& path : write_ramp(folder.path(), axial_grid()))
    resave(path, EXS_DeflatedLittleEndianExplicit);
  const Series series = only_series(folder.path());
  EXPECT_EQ(fault_of(series), "none");
  EXPECT_EQ(load(series).voxels, ramp(axial_grid()).voxels);
}

TEST(Scan, A_deflated_file_that_is_cut_short_or_damaged_is_rejected) {
  const Folder folder;
  const auto paths = write_ramp(folder.path(), axial_grid(3));
  for (const std::string& path : paths) resave(path, EXS_DeflatedLittleEndianExplicit);
  fs::resize_file(paths[0], fs::file_size(paths[0]) - 40);
  std::fstream(paths[1], std::ios::binary | std::ios::in | std::ios::out)
      .seekp(static_cast<std::streamoff>(fs::file_size(paths[1])) - 400)
      .write("\xff\xff\xff\xff\xff\xff\xff\xff", 8);
  const StudyIndex index = scan_all(folder.path());
  ASSERT_EQ(index.rejected.size(), 2u);
  for (const Rejected& r : index.rejected) EXPECT_EQ(r.code, ErrorCode::input_unreadable);
}

TEST(Scan, A_deflated_file_whose_header_ends_behind_it_takes_no_memory) {
  const Folder folder;
  const std::string head = std::string(128, '\0') + "DICM" +
                           std::string(
                               "\x02\0\x10\0UI\x16\0"
                               "1.2.840.10008.1.2.1.99",
                               30) +
                           std::string("\x02\0\x02\x01OB\0\0\xf0\xff\xff\xff", 12);
  std::ofstream(folder / "x.dcm", std::ios::binary) << head << std::string(40, '\0');
  const std::clock_t start = std::clock();
  const StudyIndex index = scan_all(folder.path());
  EXPECT_LT(std::clock() - start, CLOCKS_PER_SEC / 4);
  ASSERT_EQ(index.rejected.size(), 1u);
  EXPECT_NE(index.rejected[0].reason.find("cut short"), std::string::npos) << index.rejected[0].reason;
}

/// A deflated file whose data set is `head` and then `megabytes` of zeros.
void write_deflated(const std::string& path, const std::string& head, int megabytes) {
  const Folder folder;
  const auto made = write_ramp(folder.path(), axial_grid(1));
  resave(made[0], EXS_DeflatedLittleEndianExplicit);
  std::ifstream in(made[0], std::ios::binary);
  std::string meta(132 + 12, '\0');
  in.read(meta.data(), static_cast<std::streamsize>(meta.size()));
  const auto length = static_cast<unsigned char>(meta[140]) | static_cast<unsigned char>(meta[141]) << 8;
  std::string rest(static_cast<std::size_t>(length), '\0');
  in.read(rest.data(), static_cast<std::streamsize>(rest.size()));
  std::ofstream out(path, std::ios::binary);
  out << meta << rest;
  z_stream stream{};
  ASSERT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string block = head, packed(1 << 20, '\0');
  for (int i = 0; i <= megabytes; ++i) {
    stream.next_in = reinterpret_cast<Bytef*>(block.data());
    stream.avail_in = static_cast<uInt>(block.size());
    do {
      stream.next_out = reinterpret_cast<Bytef*>(packed.data());
      stream.avail_out = static_cast<uInt>(packed.size());
      deflate(&stream, i == megabytes ? Z_FINISH : Z_NO_FLUSH);
      out.write(packed.data(), static_cast<std::streamsize>(packed.size() - stream.avail_out));
    } while (stream.avail_out == 0);
    block.assign(1 << 20, '\0');
  }
  deflateEnd(&stream);
}

TEST(Scan, A_deflate_bomb_is_refused_in_under_a_second) {
  const Folder folder;
  write_deflated(folder / "bomb.dcm", std::string("\x08\x00\x05\x00UN\0\0\0\0\0\x40", 12), 128);
  EXPECT_LT(fs::file_size(folder / "bomb.dcm"), std::size_t{1} << 18);
  const std::clock_t start = std::clock();
  const StudyIndex index = scan_all(folder.path());
  EXPECT_LT(std::clock() - start, CLOCKS_PER_SEC);
  ASSERT_EQ(index.rejected.size(), 1u);
  EXPECT_NE(index.rejected[0].reason.find("do harm"), std::string::npos) << index.rejected[0].reason;
}

TEST(Scan, Nesting_is_bounded_in_what_was_deflated_too) {
  const Folder folder;
  std::string nested;
  for (int i = 0; i < 2000; ++i)
    nested += std::string("\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff", 20);
  write_deflated(folder / "deep.dcm", nested, 0);
  const StudyIndex index = scan_all(folder.path());
  ASSERT_EQ(index.rejected.size(), 1u);
  EXPECT_NE(index.rejected[0].reason.find("nested"), std::string::npos) << index.rejected[0].reason;
}

TEST(Scan, What_is_not_DICOM_is_passed_over_and_what_claims_to_be_is_rejected) {
  const Folder folder;
  write_ramp(folder / "a/b", axial_grid());
  write_text(folder / "a/notes.txt", "notes");
  write_text(folder / "a/._0001.dcm", "AppleDouble");
  write_text(folder / "a/empty.dcm", "");
  write_text(folder / "a/text.DCM", "no DICOM at all, however long this text may be");
  write_text(folder / "a/cut", std::string(128, '\0') + "DICM");
  fs::create_directory(folder / "a/folder.dcm");
  fs::create_directory_symlink(folder.path(), folder / "a/loop");
  ASSERT_EQ(mkfifo((folder / "a/pipe.dcm").c_str(), 0600), 0);
  const StudyIndex index = scan_all(folder.path());
  EXPECT_EQ(fault_of(only_series(index)), "none");
  EXPECT_EQ(index.files_seen, 11u);
  std::vector<std::string> rejected;
  for (const Rejected& r : index.rejected) {
    EXPECT_EQ(r.code, ErrorCode::input_unreadable);
    rejected.push_back(fs::path(r.path).filename());
  }
  EXPECT_EQ(rejected, (std::vector<std::string>{"cut", "empty.dcm", "text.DCM"}));
}

TEST(Scan, A_link_to_a_file_is_read_only_when_named) {
  const Folder folder, elsewhere;
  const auto paths = write_ramp(elsewhere.path(), axial_grid());
  std::vector<std::string> links;
  for (const std::string& path : paths) {
    links.push_back(folder / fs::path(path).filename().string());
    fs::create_symlink(path, links.back());
  }
  const StudyIndex walked = scan_all(folder.path());
  EXPECT_TRUE(walked.studies.empty());
  EXPECT_EQ(walked.rejected.size(), 6u);
  const Job job;
  EXPECT_EQ(fault_of(only_series(scan(links, job))), "none");
}

TEST(Scan, The_same_file_given_twice_counts_once) {
  const Folder folder;
  const auto paths = write_ramp(folder.path(), axial_grid());
  const Job job;
  const StudyIndex index = scan({folder.path(), folder.path() + "/", paths[0]}, job);
  EXPECT_EQ(index.files_seen, 6u);
  EXPECT_TRUE(only_series(index).doubts.empty());
}

TEST(Scan, A_bare_data_set_is_read_when_it_is_named_or_ends_in_dcm) {
  const Folder folder;
  auto paths = write_ramp(folder.path(), axial_grid());
  for (const std::string& path : paths) resave(path, EXS_LittleEndianImplicit, EWM_dataset);
  EXPECT_EQ(fault_of(only_series(folder.path())), "none");
  for (std::string& path : paths) {
    fs::rename(path, path + ".bin");
    path += ".bin";
  }
  EXPECT_TRUE(scan_all(folder.path()).studies.empty());
  const Job job;
  const Series series = only_series(scan(paths, job));
  EXPECT_EQ(fault_of(series), "none");
  EXPECT_EQ(load(series).voxels, ramp(axial_grid()).voxels);
}

TEST(Scan, A_path_that_does_not_exist_is_an_error) {
  EXPECT_EQ(error_of([] { scan_all("/no/such/folder"); }), "input.not_found");
}

TEST(Scan, Tells_its_progress_and_can_be_cancelled) {
  const Folder folder;
  write_ramp(folder.path(), axial_grid());
  std::vector<double> fractions;
  const Job job([&](std::string_view stage, double fraction) {
    EXPECT_EQ(stage, "scan");
    fractions.push_back(fraction);
  });
  scan({folder.path()}, job);
  EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.end()));
  EXPECT_EQ(fractions.front(), 0);
  EXPECT_EQ(fractions.back(), 1);
  Job* stop = nullptr;
  Job cancelled([&](std::string_view, double fraction) {
    if (fraction > 0.4) stop->cancel();
  });
  stop = &cancelled;
  EXPECT_EQ(error_of([&] { scan({folder.path()}, cancelled); }), "cancelled");
}

}  // namespace
}  // namespace oncotome::dicom
