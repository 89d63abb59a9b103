"""The files of a release for this machine's CPU, as `scripts/release --dry-run` has left them."""

import platform
import tomllib
import zipfile

from local_aws import REPOSITORY

FOLDER = REPOSITORY / "target" / "release-files"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
ARCHIVE = FOLDER / f"agent-relay-{ARCHITECTURE}.zip"
TEMPLATE = FOLDER / {"x86_64": "agent-relay.yaml", "arm64": "agent-relay-arm64.yaml"}[ARCHITECTURE]
MATERIALS = FOLDER / f"agent-relay-{ARCHITECTURE}.cdx.json"
LICENSES = FOLDER / f"agent-relay-{ARCHITECTURE}.licenses.txt"
PACKAGED = FOLDER / "packaged.yaml"
SUMS = FOLDER / "SHA256SUMS"

VERSION = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["workspace"]["package"]["version"]


def unpacked(directory):
    """The function out of the archive, as Lambda unpacks it: an executable in the directory."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        path = directory / "bootstrap"
        path.write_bytes(archive.read("bootstrap"))
        path.chmod(archive.getinfo("bootstrap").external_attr >> 16)
    return path
