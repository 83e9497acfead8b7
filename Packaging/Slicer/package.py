#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the archives that 3D Slicer's extensions manager installs from a file, one per X.Y, without 3D Slicer.

Command line modules, scripted module, models, and every library they need but glibc. Refused: a library that libraries.csv does not
list with its license, one without a license text, and what the loader would look for outside the archive (but NVIDIA's, which are
packed as they are).
"""
import argparse
import csv
import fnmatch
import functools
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Headers alone, compiled into our libraries: Debian package, license.
COMPILED_IN = {"nlohmann-json3-dev": "MIT"}
# What the machine brings: glibc, and the driver of a CUDA device.
OF_THE_MACHINE = re.compile(r"(ld-linux-x86-64|libc|libm|libmvec|libdl|libpthread|librt|libutil|libanl|libresolv|libcuda)\.so\.\d")
# What LibTorch on CUDA and cuDNN load by name when they need it; not what serves linear algebra and several machines.
LOADED_ON_CUDA = ("libcaffe2_nvrtc.so", "libcudnn_*.so.*", "libnvrtc.so.*", "libnvrtc-builtins.so.*")


class Refused(Exception):
    pass


def output_of(*command):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}).stdout


def dynamic(path, tag):
    return re.findall(rf"\({tag}\).*\[(.*)\]", output_of("readelf", "-dW", path))


@functools.lru_cache(None)
def system_libraries():
    return dict(re.findall(r"^\t(\S+) \(libc6,x86-64.*\) => (\S+)$", output_of("/sbin/ldconfig", "-p"), re.M))


def find_libraries(pattern, user, beside):
    """In the first folder that has any, of those where its user looks."""
    own = re.sub(r"\$ORIGIN|\$\{ORIGIN\}", str(user.parent), ":".join(dynamic(user, "R(?:UN)?PATH")))
    for folder in [beside, *map(pathlib.Path, filter(None, own.split(":")))]:
        if found := sorted(folder.glob(pattern)):
            return found
    return []


def find_library(name, user, beside):
    for found in find_libraries(name, user, beside):
        return found
    if name not in system_libraries():
        raise Refused(f"{name}, which {user.name} needs, is not found")
    return pathlib.Path(system_libraries()[name])


def closure(programs, plugins, beside):
    """Libraries by name: where each lies and what needs it."""
    found = {}
    queue = [*programs]

    def add(name, path, user):
        if name not in found:
            found[name] = (path, set())
            queue.append(path)
        found[name][1].add(user)

    for plugin in plugins:
        add(plugin.name, plugin, "(loaded on first need)")
    while queue:
        user = queue.pop()
        for name in dynamic(user, "NEEDED"):
            if not OF_THE_MACHINE.fullmatch(name):
                add(name, found[name][0] if name in found else find_library(name, user, beside), user.name)
        if user.name == "libtorch_cuda.so":
            for pattern in LOADED_ON_CUDA:
                loaded = find_libraries(pattern, user, beside)
                if not loaded:
                    raise Refused(f"{pattern}, which {user.name} loads on first need, is not found")
                for path in loaded:
                    add(path.name, path, f"{user.name} (loaded on first need)")
    return found


def license_of(name, rows):
    for row in rows:
        if fnmatch.fnmatchcase(name, row["pattern"]):
            return row
    raise Refused(f"{name} is not in libraries.csv: its license is not known to allow handing it out")


def debian_package(path):
    # The package may know the library by its place before or after /lib became /usr/lib.
    real = path.resolve()
    for candidate in {path, real, pathlib.Path(str(real).removeprefix("/usr"))}:
        owner = subprocess.run(["dpkg", "-S", candidate], capture_output=True, text=True)
        if owner.returncode == 0:
            name = owner.stdout.split(":")[0]
            return name, output_of("dpkg-query", "-W", "-f", "${Version}\n", name).splitlines()[0]
    return None


def copy_license_text(path, project, options, licenses):
    """Of the Debian package that a library is from, else of a project built or unpacked by hand; returns which."""
    owner = debian_package(path)
    text = pathlib.Path(f"/usr/share/doc/{owner[0]}/copyright") if owner else (options.licenses or HERE) / f"{project}.txt"
    if not text.exists():
        raise Refused(f"{path.name} is of no Debian package: give its license text as {text.name} in the folder of --licenses")
    shutil.copy(text, licenses / (f"{owner[0]}.txt" if owner else text.name))
    return " ".join(owner) if owner else ""


def relocate(programs, libraries):
    output_of("cmake", f"-DPROGRAMS={';'.join(map(str, programs))}", f"-DLIBRARIES={';'.join(map(str, libraries))}", "-P", HERE / "relocate.cmake")
    for program in programs:
        if dynamic(program, "RPATH") != ["$ORIGIN/../Oncotome"]:
            raise Refused(f"{program.name} has no DT_RPATH; link it with -Wl,--disable-new-dtags: LD_LIBRARY_PATH overrules DT_RUNPATH")
    for library in libraries:
        if dynamic(library, "R(?:UN)?PATH"):
            raise Refused(f"{library.name} looks for libraries in places of its own")


def glibc_needed(elfs):
    versions = [tuple(map(int, v.split("."))) for elf in elfs for v in re.findall(r"GLIBC_(\d+(?:\.\d+)+)", output_of("readelf", "-VW", elf))]
    return ".".join(map(str, max(versions)))


def lay_out(top, version, revision, options, staged):
    """Fills the top folder; returns the rows of the table of libraries."""
    library_dir = top / "lib" / f"Slicer-{version}"
    share_dir = top / "share" / f"Slicer-{version}"
    private = library_dir / "Oncotome"
    licenses = share_dir / "Oncotome" / "licenses"
    for folder in (library_dir / "cli-modules", private, licenses):
        folder.mkdir(parents=True)

    libraries = staged / options.libdir
    modules = libraries / "oncotome" / "cli-modules"
    programs = sorted(p for p in modules.iterdir() if not p.suffix)
    plugins = [libraries / "liboncotome_torch.so"] if options.with_torch else []
    bundled = closure(programs, plugins, libraries)
    rows = list(csv.DictReader((HERE / "libraries.csv").open(newline="")))
    table = []
    for name, (path, users) in sorted(bundled.items(), key=lambda item: item[0].lower()):
        row = license_of(name, rows)
        package = ""
        if row["project"] != "Oncotome":
            package = copy_license_text(path, row["project"], options, licenses)
        shutil.copyfile(path, private / name)
        table.append([name, row["license"], row["project"], package, ", ".join(sorted(users))])
    for package in COMPILED_IN:
        shutil.copy(f"/usr/share/doc/{package}/copyright", licenses / f"{package}.txt")
    for file in sorted(modules.iterdir()):
        shutil.copy(file, library_dir / "cli-modules" / file.name)

    installed = [library_dir / "cli-modules" / program.name for program in programs]
    elfs = [*installed, *(private / name for name in bundled)]
    # NVIDIA's licenses allow copies, and no change.
    changed = [private / name for name, kind, *_ in table if not kind.startswith("NVIDIA")]
    output_of("strip", "--strip-unneeded", *installed, *changed)
    relocate(installed, changed)
    for row in table:
        row.insert(1, str(round((private / row[0]).stat().st_size / 1024)))

    shutil.copytree(staged / "lib" / "oncotome" / "qt-scripted-modules", library_dir / "qt-scripted-modules")
    shutil.copytree(staged / "share" / "oncotome" / "Models", private / "Models")
    description = (options.build / "Oncotome.s4ext").read_text()
    (share_dir / "Oncotome.s4ext").write_text(description.replace("scmrevision REVISION", f"scmrevision {revision}"))
    for name in ("LICENSE.txt", "NOTICE"):
        shutil.copy(ROOT / name, share_dir / "Oncotome")
    text = ["# Libraries in this archive", "",
            f"Needs an x86-64 Linux with glibc {glibc_needed(elfs)} or later, and nothing else.", "",
            "The texts of the licenses lie in licenses/. Debian counts its ITK as GPL since parts of it use FFTW; none of those parts, and not",
            "FFTW, is here.", "",
            "Compiled into ours: " + ", ".join(f"{name} ({kind})" for name, kind in COMPILED_IN.items()) + ".", "",
            "| library | KiB | license | project | Debian package | needed by |", "|---|---|---|---|---|---|"]
    text += ["| " + " | ".join(row) + " |" for row in table]
    (share_dir / "Oncotome" / "LIBRARIES.md").write_text("\n".join(text) + "\n")
    return table


def pack(top, archive, time):
    def plain(entry):
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mtime = time
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        return entry

    temporary = archive.with_name(archive.name + ".part")
    with open(temporary, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=time) as zipped, \
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in [top, *sorted(top.rglob("*"))]:
            tar.add(path, path.relative_to(top.parent), recursive=False, filter=plain)
    temporary.rename(archive)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="build tree, built")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="folder of the archives")
    parser.add_argument("--libdir", default="lib", help="CMAKE_INSTALL_LIBDIR of the build")
    parser.add_argument("--licenses", type=pathlib.Path, help="folder of PROJECT.txt: texts for libraries that are not Debian's")
    parser.add_argument("--with-torch", action="store_true", help="liboncotome_torch.so and LibTorch too, for TorchScript and CUDA")
    parser.add_argument("versions", nargs="+", help="of 3D Slicer: X.Y")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    revision, time, date = output_of("git", "-C", ROOT, "log", "-1", "--date=short", "--format=%h %ct %cd").split()
    with tempfile.TemporaryDirectory(prefix="oncotome-slicer-") as name:
        staged = pathlib.Path(name) / "staged"
        for component in ["CLI", "ScriptedModule", "Engine", "Data"] + (["Torch"] if options.with_torch else []):
            output_of("cmake", "--install", options.build, "--prefix", staged, "--component", component)
        for version in options.versions:
            base = f"{version}-linux-amd64-Oncotome-git{revision}-{date}"
            top = pathlib.Path(name) / base
            table = lay_out(top, version, revision, options, staged)
            archive = options.output / f"{base}.tar.gz"
            pack(top, archive, int(time))
            unpacked = sum(p.stat().st_size for p in top.rglob("*") if p.is_file())
            print(f"{archive}: {archive.stat().st_size / 2**20:.1f} MiB, unpacked {unpacked / 2**20:.1f} MiB, {len(table)} libraries")
            shutil.rmtree(top)


if __name__ == "__main__":
    try:
        main()
    except Refused as reason:
        sys.exit(f"no archive: {reason}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"no archive: {' '.join(map(str, error.cmd))}: {error.stderr or error.stdout}")
