#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The storage folder of an Orthanc is read like the files that were sent to it.

Usage: test_orthanc_storage.py ONCOTOME DATA
Starts a real Orthanc on the loopback with a storage of its own, sends it the files of ct_lung_dx, stops it, and compares
what `oncotome inspect` says of the storage and of the files; once more with StorageCompression, which is refused with
advice. Exit status: 0 as expected, 1 not, 77 no Orthanc or no data.
"""
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def store(orthanc, files, place, compression):
    """Runs an Orthanc while it takes the files; returns its storage folder."""
    storage, http = place / "storage", free_port()
    place.mkdir()
    (place / "orthanc.json").write_text(json.dumps({
        "StorageDirectory": str(storage), "IndexDirectory": str(place / "index"), "StorageCompression": compression,
        "HttpPort": http, "DicomPort": free_port(), "RemoteAccessAllowed": False, "AuthenticationEnabled": False}))
    with open(place / "log", "wb") as log:
        server = subprocess.Popen([orthanc, place / "orthanc.json"], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{http}"
    try:
        for _ in range(150):
            try:
                urllib.request.urlopen(url + "/system", timeout=5).read()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        for path in files:
            request = urllib.request.Request(url + "/instances", path.read_bytes(),
                                             {"Content-Type": "application/dicom"})
            urllib.request.urlopen(request, timeout=30).read()
    finally:
        server.terminate()
        server.wait(60)
    return storage


def inspect(program, folder):
    done = subprocess.run([program, "inspect", folder, "-q", "--json"], capture_output=True, text=True)
    return json.loads(done.stdout), done


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, archive = sys.argv[1], pathlib.Path(sys.argv[2]) / "ct_lung_dx" / "dicom.tar.xz"
    orthanc = shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if not orthanc or not archive.is_file():
        print("skipped: " + ("the data are not there" if orthanc else "there is no Orthanc"))
        return 77
    good = True
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        with tarfile.open(archive) as tar:
            tar.extractall(place / "in")
        files = sorted((place / "in").rglob("*.dcm"))
        expected, _ = inspect(program, place / "in")
        got, _ = inspect(program, store(orthanc, files, place / "plain", False))
        if got["studies"] != expected["studies"] or got["rejected"] or not expected["studies"]:
            print(f"FAILED plain storage: {json.dumps(got)[:2000]}")
            good = False
        got, done = inspect(program, store(orthanc, files, place / "packed", True))
        reasons = [r["reason"] for r in got["rejected"]]
        if len(reasons) < len(files) or got["studies"] or not all("StorageCompression" in r for r in reasons) or done.returncode == 0:
            print(f"FAILED compressed storage: {reasons[:3]}, {len(reasons)} of {len(files)} refused")
            good = False
        print(f"{len(files)} files through an Orthanc: {'as sent' if good else 'not as sent'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
