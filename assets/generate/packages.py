"""Third-party packages, fetched with npm and accepted only when their hash is the one in packages.json.

packages.json is the single table of what this folder takes from outside: name, version, licence,
attribution, and the sha512 of the tarball as npm writes it ("sha512-" + base64).
Tarballs are read in place and never unpacked to disk. Standard library only.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".tools" / "emoji-packages"
TABLE = json.loads(Path(__file__).with_name("packages.json").read_text(encoding="utf-8"))
LARGEST_MEMBER = 32 << 20  # bytes; the largest file wanted (an icons.json) has 9 MB


def members(name, wanted):
    """Returns {path inside the package: bytes} for the files of package `name` whose path satisfies wanted(path)."""
    found = {}
    with tarfile.open(tarball(name)) as archive:
        for member in archive:
            path = member.name.removeprefix("package/")
            if not member.isfile() or not wanted(path):
                continue
            if member.size > LARGEST_MEMBER:
                sys.exit(f"{name}: {path} has {member.size} bytes, more than the limit of {LARGEST_MEMBER}")
            found[path] = archive.extractfile(member).read()
    if not found:
        sys.exit(f"{name}: none of the wanted files is in the package; has its layout changed?")
    return found


def tarball(name):
    """Returns the path of the verified tarball of package `name`, fetching it when it is not in the cache."""
    entry = next((e for e in TABLE if e["name"] == name), None)
    if entry is None:
        sys.exit(f"{name} is not in packages.json: add its version, licence, attribution and integrity first")
    file = CACHE / f"{name.lstrip('@').replace('/', '-')}-{entry['version']}.tgz"
    if not file.exists():
        fetch(f"{name}@{entry['version']}", entry["integrity"], file)
    verify(file, entry["integrity"])
    return file


def fetch(spec, integrity, file):
    print("fetching", spec, flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        try:
            subprocess.run(["npm", "pack", "--silent", spec], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        except FileNotFoundError:
            sys.exit(f"fetching {spec}: npm is not installed; install Node.js and run this again")
        except subprocess.CalledProcessError as failure:
            sys.exit(f"fetching {spec}: npm pack ended with status {failure.returncode}; its message is above")
        fetched = Path(folder) / file.name
        verify(fetched, integrity)
        os.replace(fetched, file)


def verify(file, integrity):
    with open(file, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha512").digest()
    found = "sha512-" + base64.b64encode(digest).decode()
    if found != integrity:
        sys.exit(f"{file}: integrity is {found}, packages.json expects {integrity}.\n"
                 "Delete the file and run this again; if it still differs, the published package has changed: do not use it.")
