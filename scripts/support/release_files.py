"""Makes the files of a release around binaries that are built: archives, bills of materials, licences,
templates and checksums. `scripts/release` calls it at the root of the repository::

    release_files.py --out FOLDER ARCHITECTURE=BINARY ...
"""

import argparse
import hashlib
import io
import os
import re
import shutil
import tomllib
import zipfile
from pathlib import Path

import release_materials
import release_templates

TARGETS = {"x86_64": "x86_64-unknown-linux-gnu", "arm64": "aarch64-unknown-linux-gnu"}
# What the ELF header of a binary for it has as `e_machine`.
MACHINES = {"x86_64": 62, "arm64": 183}
SUMS = "SHA256SUMS"
# The first day that an archive can name.
ARCHIVE_TIME = (1980, 1, 1, 0, 0, 0)


def main():
    arguments = parse_arguments()
    out = arguments.out
    workspace = tomllib.loads(Path("Cargo.toml").read_text(encoding="utf-8"))["workspace"][
        "package"
    ]
    version = workspace["version"]
    template = Path("template.yaml").read_text(encoding="utf-8")
    release_templates.check_version(template, version)

    # The names of what this makes; another run's are removed, and nothing else: who deploys from here has
    # samconfig.toml beside the template.
    remove_earlier(out)
    made = []

    def write(name, content):
        (out / name).write_bytes(content.encode() if isinstance(content, str) else content)
        made.append(name)

    for architecture, binary in arguments.binaries.items():
        archive = release_templates.archive_name(architecture)
        write(archive, zipped(binary, architecture))
        packages = release_materials.packages_in_binary(TARGETS[architecture])
        write(
            f"agent-relay-{architecture}.cdx.json",
            release_materials.bill_of_materials(
                packages,
                archive=archive,
                archive_sha256=sha256(out / archive),
                architecture=architecture,
                seconds=int(os.environ["SOURCE_DATE_EPOCH"]),
            ),
        )
        write(f"agent-relay-{architecture}.licenses.txt", release_materials.license_texts(packages))
        write(
            release_templates.template_name(architecture),
            release_templates.beside_archive(template, version, architecture),
        )
    write("packaged.yaml", release_templates.packaged(template, version))
    sums = "".join(f"{sha256(out / name)}  {name}\n" for name in sorted(made))
    (out / SUMS).write_text(sums, encoding="utf-8")

    if release_templates.DEFAULT_ARCHITECTURE in arguments.binaries:
        folder = out / "serverlessrepo"
        folder.mkdir()
        (folder / "template.yaml").write_text(
            release_templates.for_repository(
                template, version, workspace["repository"], workspace["homepage"]
            ),
            encoding="utf-8",
        )
        shutil.copyfile("LICENSE-MIT", folder / "LICENSE-MIT")
        readme = Path("README.md").read_text(encoding="utf-8")
        # Where that is read, links to what stands beside it lead nowhere.
        here = f"{workspace['repository']}/blob/v{version}"
        readme = re.sub(r"\]\((?!https?:|#)([^)]*\.png)\)", rf"]({here}/\1?raw=true)", readme)
        readme = re.sub(r"\]\((?!https?:|#)", f"]({here}/", readme)
        (folder / "README.md").write_text(readme, encoding="utf-8")

    print(f"Agent Relay {version}, in {out}:")
    print(sums, end="")


def parse_arguments():
    parser = argparse.ArgumentParser(description="Makes the files of a release around binaries.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("binaries", nargs="+", metavar="ARCHITECTURE=BINARY")
    arguments = parser.parse_args()
    binaries = {}
    for given in arguments.binaries:
        architecture, _, binary = given.partition("=")
        if architecture not in TARGETS:
            parser.error(f"there is no architecture {architecture!r}")
        binaries[architecture] = Path(binary).read_bytes()
    arguments.binaries = binaries
    return arguments


def remove_earlier(out):
    names = [SUMS, "packaged.yaml"]
    for architecture in TARGETS:
        names += [
            release_templates.archive_name(architecture),
            release_templates.template_name(architecture),
            f"agent-relay-{architecture}.cdx.json",
            f"agent-relay-{architecture}.licenses.txt",
        ]
    for name in names:
        (out / name).unlink(missing_ok=True)
    shutil.rmtree(out / "serverlessrepo", ignore_errors=True)


def zipped(binary, architecture):
    """An archive with the binary as Lambda wants it, the same for the same binary."""
    if (
        binary[:4] != b"\x7fELF"
        or int.from_bytes(binary[18:20], "little") != MACHINES[architecture]
    ):
        raise SystemExit(f"The binary for {architecture} is for something else.")
    entry = zipfile.ZipInfo("bootstrap", ARCHIVE_TIME)
    # Made on a Unix, a regular file that everybody may read and execute.
    entry.create_system = 3
    entry.external_attr = 0o100755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(entry, binary, compresslevel=9)
    return file.getvalue()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
