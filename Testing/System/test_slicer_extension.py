#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The extension by 3D Slicer's own rules, with a stand-in for the files of a Slicer build tree; the SuperBuild's outer pass.

The stand-in has the variables, the functions and the checks of Slicer's own that matter here; a real Slicer has not been used.
"""
import json
import subprocess

from whole_program import ROOT, WithFolder, main

STAND_IN = {
    "SlicerConfig.cmake": """
set(here ${CMAKE_CURRENT_LIST_DIR})
foreach(name USE_FILE EXTENSION_GENERATE_CONFIG EXTENSION_CPACK)
  set(Slicer_${name} ${here}/${name}.cmake)
endforeach()
foreach(name CLIMODULES_BIN_DIR INSTALL_CLIMODULES_BIN_DIR)
  set(Slicer_${name} lib/Slicer-9.9/cli-modules)
endforeach()
""",
    "USE_FILE.cmake": """
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(scripted "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  foreach(file ${scripted_SCRIPTS} ${scripted_RESOURCES})
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
      message(FATAL_ERROR "no such script: ${file}")
    endif()
    install(FILES ${file} DESTINATION lib/Slicer-9.9/qt-scripted-modules COMPONENT RuntimeLibraries)
  endforeach()
endmacro()
""",
    "EXTENSION_GENERATE_CONFIG.cmake": "",
    "EXTENSION_CPACK.cmake": """
foreach(name NAME CATEGORY CONTRIBUTORS DESCRIPTION HOMEPAGE ICONURL SCREENSHOTURLS DEPENDS BUILD_SUBDIRECTORY)
  if("${EXTENSION_${name}}" STREQUAL "")
    message(FATAL_ERROR "EXTENSION_${name} is empty")
  endif()
endforeach()
if(NOT EXTENSION_NAME STREQUAL PROJECT_NAME OR NOT EXISTS ${EXTENSION_README_FILE} OR NOT EXISTS ${EXTENSION_LICENSE_FILE})
  message(FATAL_ERROR "Slicer would not package this")
endif()
if(NOT CPACK_INSTALL_CMAKE_PROJECTS MATCHES ";Oncotome;ALL;/$")
  message(FATAL_ERROR "CPACK_INSTALL_CMAKE_PROJECTS is ${CPACK_INSTALL_CMAKE_PROJECTS}")
endif()
file(WRITE ${CMAKE_BINARY_DIR}/packaged "yes")
""",
}


def configure(folder, *options):
    return subprocess.run(["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", *options], capture_output=True, text=True)


class Extension(WithFolder):
    def test_all_of_a_package_lies_below_the_folder_of_its_slicer(self):
        stand_in, build = self.folder / "slicer", self.folder / "build"
        stand_in.mkdir()
        for name, text in STAND_IN.items():
            (stand_in / name).write_text(text)
        query = build / ".cmake" / "api" / "v1" / "query"
        query.mkdir(parents=True)
        (query / "codemodel-v2").touch()
        result = configure(build, f"-DSlicer_DIR={stand_in}", "-DBUILD_TESTING=OFF")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue((build / "packaged").exists())

        packaged, kinds = [], set()
        for path in (build / ".cmake" / "api" / "v1" / "reply").glob("directory-*.json"):
            for installer in json.loads(path.read_text()).get("installers", []):
                if not installer.get("isExcludeFromAll") and "destination" in installer:
                    kinds.add(installer["type"])
                    packaged += [(installer["destination"], str(entry["from"] if isinstance(entry, dict) else entry).split("/")[-1])
                                 for entry in installer.get("paths", [])]
        self.assertEqual([place for place, _ in packaged if not place.startswith("lib/Slicer-9.9/")], [])
        modules = {name for place, name in packaged if place == "lib/Slicer-9.9/cli-modules"}
        self.assertEqual(modules, {m + end for m in ("LesionClassification", "LesionMeasurement", "TumorSegmentation") for end in ("", ".xml")})
        self.assertLessEqual({"liboncotome_core.so", "liboncotome_engine.so"}, {name for _, name in packaged})
        self.assertIn(("lib/Slicer-9.9/qt-scripted-modules", "Oncotome.py"), packaged)
        self.assertIn("runtimeDependencySet", kinds)  # with the libraries of this machine that the modules link


class SuperBuild(WithFolder):
    def test_what_is_given_is_used_and_what_is_not_is_made(self):
        given = {name: self.folder / name for name in ("DCMTK_DIR", "ITK_DIR", "Torch_DIR", "VTK_DIR")}
        for path in given.values():
            path.mkdir()
        archive = self.folder / "googletest.tar.gz"
        archive.touch()
        build = self.folder / "build"
        options = ["-DONCOTOME_SUPERBUILD=ON", *(f"-D{name}={path}" for name, path in given.items())]
        result = configure(build, *options, f"-DONCOTOME_GoogleTest_ARCHIVE={archive}")
        self.assertEqual(result.returncode, 0, result.stderr)
        handed_down = "".join(p.read_text() for p in (build / "inner-prefix").rglob("inner-cache-*.cmake"))
        for name, path in {**given, "GTest_DIR": build / "GoogleTest-install/lib/cmake/GTest"}.items():
            self.assertIn(f'set({name} "{path}"', handed_down)
        self.assertIn('set(ONCOTOME_SUPERBUILD "OFF"', handed_down)
        # An archive that is not the release's is refused before anything of it is used.
        refused = subprocess.run(["cmake", "--build", build, "--target", "GoogleTest"], capture_output=True, text=True)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("does not match expected value", refused.stdout + refused.stderr)

        # What the system has to bring is looked for before hours of building.
        result = configure(self.folder / "bare", *options, "-DCMAKE_DISABLE_FIND_PACKAGE_PNG=ON")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("PNG", result.stderr)

        result = configure(self.folder / "absent", *options[:-1], f"-DVTK_DIR={self.folder}/nowhere")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("VTK_DIR is given but no such folder exists", result.stderr)

    def test_a_given_libtorch_comes_whole_though_the_system_has_one(self):
        given = self.folder / "libtorch"
        for path, text in {"lib/libtorch.so": "", "share/cmake/Caffe2/Caffe2Config.cmake": "", "share/cmake/Torch/TorchConfig.cmake":
                           "find_package(Caffe2 REQUIRED)\nfind_library(TORCH_LIBRARY torch PATHS ${CMAKE_CURRENT_LIST_DIR}/../../../lib)\n"
                           'message(FATAL_ERROR "with ${Caffe2_DIR} and ${TORCH_LIBRARY}")\n'}.items():
            (given / path).parent.mkdir(parents=True, exist_ok=True)
            (given / path).write_text(text)
        result = configure(self.folder / "torch", "-DONCOTOME_ENGINE_ONLY=ON", f"-DTorch_DIR={given}/share/cmake/Torch")
        self.assertIn(f"with {given}/share/cmake/Caffe2 and {given}/lib/libtorch.so", " ".join(result.stderr.split()))


if __name__ == "__main__":
    main()
