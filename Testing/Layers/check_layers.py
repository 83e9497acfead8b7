#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads every #include of Libs and Modules against the table of who may know whom, and fails when one breaks it.

check_layers.py ROOT; `check_layers.py --self-test` proves that it can fail.
"""
import pathlib
import re
import sys
import tempfile

# Folder: the project's libraries it may include, and the third parties, by the first part of the include's path.
TABLE = {
    "Libs/Core": ([], ["nlohmann"]),
    "Libs/Kernels": ([], []),
    "Libs/Engine": (["core", "kernels"], ["nlohmann"]),
    "Libs/Torch": (["core", "engine", "kernels"], ["torch", "ATen", "c10", "nlohmann"]),
    "Libs/Training": (["core", "engine", "kernels", "torch"], ["torch", "ATen", "c10", "nlohmann", "oneapi"]),
    "Libs/Bench": (["core", "engine", "kernels"], ["nlohmann"]),
    "Libs/Dicom": (["core"], ["dcmtk", "zlib", "openjpeg"]),
    "Libs/Render": (["core"], ["vtk", "X11"]),
    "Modules/ITK": (["core", "engine"], ["itk"]),
    "Modules/Workflow": (["core", "engine", "dicom", "render"], ["itk", "nlohmann", "zlib", "png", "jpeglib", "jerror"]),
    "Modules/CLI": (["core", "engine"], ["nlohmann", "itk"]),
    "Modules/Python": (["core", "engine"], ["pybind11", "itk"]),
    "Modules/Apps": (["core", "engine", "training", "bench", "dicom", "render"], ["itk", "nlohmann", "CLI", "vtk", "dcmtk"]),
}
THIRD_PARTIES = ["nlohmann", "torch", "ATen", "c10", "dcmtk", "vtk", "X11", "itk", "CLI", "zlib", "png", "jpeglib", "jerror", "openjpeg", "sqlite3", "openssl", "oneapi", "pybind11"]
# System calls stay in folders of that name.
POSIX = re.compile(r"^(unistd|fcntl|dlfcn|sched|signal|spawn|malloc|poll|pthread|sys/.*)\.h$")
# Tests may also use what they compare with.
TEST_EXTRA = (["core"], ["gtest", "png", "nlohmann", "itk", "vtk", "dcmtk"])
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')


def third_party(path):
    return next((name for name in THIRD_PARTIES if path == name or path.startswith(name + "/") or re.match(name + r"([A-Z0-9]\w*)?\.h", path)), None)


def problems_of(root):
    seen = 0
    for folder, (libraries, others) in TABLE.items():
        own = folder.split("/")[1].lower()
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in {".h", ".hxx", ".cpp", ".cxx", ".cu", ".cuh"}:
                continue
            in_test = "test" in file.relative_to(root).parts
            may_know = {own, *libraries, *(TEST_EXTRA[0] if in_test else [])}
            may_use = {*others, *(TEST_EXTRA[1] if in_test else [])}
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                seen += 1
                path, where = match[1], f"{file.relative_to(root)}:{number}"
                library = re.match(r"oncotome/(\w+)/", path)
                if library and library[1] not in may_know:
                    yield f"{where}: {folder} may not know {library[1]}"
                party = third_party(path)
                if party and party not in may_use:
                    yield f"{where}: {folder} may not include {party}"
                if path == "nlohmann/json.hpp" and file.name != "json.h":
                    yield f"{where}: include oncotome/core/json.h, whose whole numbers are checked"
                if POSIX.match(path) and not in_test and "posix" not in file.parts:
                    yield f"{where}: system calls belong in a posix folder"
                beside = re.match(r"(?!oncotome/)[a-z_]+\.h$", path) and not (file.parent / path).exists()
                if beside and folder == "Modules/ITK" and (root / "Modules/Workflow" / path).exists():
                    yield f"{where}: {folder} may not know Workflow"
                if folder.startswith("Libs") and not in_test and re.search(r"Modules/|^itk", path):
                    yield f"{where}: Libs never include Modules"
    if seen < 100 and "--self-test" not in sys.argv:
        yield f"only {seen} includes were found: is {root} the project?"


def self_test():
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for path, text, broken in [
            ("Libs/Engine/src/a.cpp", "#include <torch/torch.h>\n", 1),
            ("Libs/Dicom/src/b.cpp", '#include "oncotome/render/pictures.h"\n', 1),
            ("Libs/Core/src/c.cpp", "#include <dlfcn.h>\n#include <vector>\n", 1),
            ("Modules/Apps/d.cpp", "#include <unistd.h>\n", 1),
            ("Modules/Apps/e.cpp", "#include <nlohmann/json.hpp>\n", 1),
            ("Modules/ITK/x/include/itkA.h", '#include "itkImage.h"\n#include "oncotome/engine/session.h"\n', 0),
        ]:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
            found = [p for p in problems_of(root) if p.startswith(path)]
            assert len(found) == broken, (path, found)
    print("the check sees what it should")


if __name__ == "__main__":
    if "--self-test" in sys.argv:
        self_test()
        sys.exit()
    problems = list(problems_of(pathlib.Path(sys.argv[1])))
    print("\n".join(problems) or "every include follows the layers")
    sys.exit(bool(problems))
