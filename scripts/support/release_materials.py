"""What the function's binary is made of: the packages of Cargo.lock that are linked into it, as a software
bill of materials, and their licences."""

import json
import re
import subprocess
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

ROOT = "agent-relay"
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"
SCHEMA = SchemaVersion.V1_6
# The texts that a package has beside its code, and that its licence wants passed on.
LICENSE_FILES = re.compile(
    r"(licen[cs]e|copying|copyright|notice|unlicense|patents)([._-].*)?", re.IGNORECASE
)

INTRODUCTION = """\
What the function is made of, and the licences of that. Where a licence has OR in it, one of those around
it is enough.
"""


@dataclass
class Package:
    """One package in the binary."""

    name: str
    version: str
    license: str
    """Its SPDX expression."""
    folder: Path
    sha256: str | None
    """Of its archive in the registry; the workspace's own have none."""
    needs: set = field(default_factory=set)
    """Names and versions of the packages that it uses."""

    @property
    def purl(self):
        return PackageURL("cargo", name=self.name, version=self.version)

    @property
    def key(self):
        return (self.name, self.version)


def packages_in_binary(target):
    """The packages, by name and version, that are linked into the function for a target of Rust.

    `cargo tree` knows which features are on in this build, and so which packages it has; what only runs
    while building (build scripts, procedural macros) is not in it. `cargo metadata` knows the rest.
    """
    needs = linked(run("cargo", "tree", "--locked", "--package", ROOT, "--target", target,
        "--edges", "normal,no-proc-macro", "--prefix", "depth", "--format", " {p}"))  # fmt: skip
    metadata = json.loads(
        run("cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target)
    )
    known = {(package["name"], package["version"]): package for package in metadata["packages"]}
    lock = tomllib.loads(Path("Cargo.lock").read_text(encoding="utf-8"))
    checksums = {
        (package["name"], package["version"]): package.get("checksum")
        for package in lock["package"]
    }
    packages = {}
    for key in sorted(needs):
        package = known[key]
        if package["source"] not in (None, REGISTRY):
            raise SystemExit(
                f"{key[0]} is from {package['source']}, which the bill of materials can't name yet."
            )
        if not package["license"]:
            raise SystemExit(f"{key[0]} {key[1]} names no licence; see deny.toml.")
        packages[key] = Package(
            name=key[0],
            version=key[1],
            # An old way to say it.
            license=package["license"].replace("/", " OR "),
            folder=Path(package["manifest_path"]).parent,
            sha256=checksums[key],
            needs=needs[key],
        )
    return packages


def linked(tree):
    """Which packages each needs, by what `cargo tree --prefix depth` prints: a package's own needs stand
    below it at the first place where it occurs."""
    needs = {}
    path = []
    for line in tree.splitlines():
        match = re.fullmatch(r"(\d+) (\S+) v(\S+)(?: \(.*\))?", line.strip())
        if match is None:
            raise SystemExit(f"cargo tree printed something unknown: {line}")
        depth, key = int(match[1]), (match[2], match[3])
        needs.setdefault(key, set())
        del path[depth:]
        if path:
            needs[path[-1]].add(key)
        path.append(key)
    return needs


def bill_of_materials(packages, *, archive, archive_sha256, architecture, seconds):
    """The bill as JSON, which has been checked against its schema.

    `seconds` is the time that it says it was made at, since 1970. Nothing in it depends on when or where.
    """
    root = next(package for package in packages.values() if package.name == ROOT)
    components = {key: component_of(package) for key, package in packages.items()}
    for key, component in components.items():
        if key == root.key:
            continue
        component.type = ComponentType.LIBRARY
    subject = components[root.key]
    subject.type = ComponentType.APPLICATION
    subject.hashes.add(HashType(alg=HashAlgorithm.SHA_256, content=archive_sha256))
    subject.properties.add(Property(name="agent-relay:archive", value=archive))
    subject.properties.add(Property(name="agent-relay:architecture", value=architecture))
    # Whoever builds it again needs the same; the standard library is in the binary, too.
    subject.properties.add(
        Property(name="agent-relay:rustc", value=run("rustc", "--version").strip())
    )
    for tool, version in building_tools().items():
        subject.properties.add(Property(name=f"agent-relay:{tool}", value=version))

    bom = Bom(
        serial_number=uuid5(NAMESPACE_URL, f"{root.purl}#{archive_sha256}"),
        components=[component for key, component in components.items() if key != root.key],
    )
    bom.metadata.timestamp = datetime.fromtimestamp(seconds, UTC)
    bom.metadata.component = subject
    for key, package in packages.items():
        bom.register_dependency(
            components[key], [components[needed] for needed in sorted(package.needs)]
        )
    text = make_outputter(bom, OutputFormat.JSON, SCHEMA).output_as_string(indent=2) + "\n"
    fault = JsonStrictValidator(SCHEMA).validate_str(text)
    if fault is not None:
        raise SystemExit(f"The bill of materials does not fit its schema: {fault!r}")
    return text


def component_of(package):
    hashes = []
    if package.sha256 is not None:
        hashes.append(HashType(alg=HashAlgorithm.SHA_256, content=package.sha256))
    return Component(
        name=package.name,
        version=package.version,
        bom_ref=str(package.purl),
        purl=package.purl,
        licenses=[LicenseFactory().make_from_string(package.license)],
        hashes=hashes,
    )


def building_tools():
    """The versions of what builds and links the function."""
    requirements = Path("tests/python/requirements-lambda.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^(\S+)==(\S+)$", requirements, re.MULTILINE))


def license_texts(packages):
    """The licences of all packages, each with the texts that it comes with."""
    parts = [INTRODUCTION]
    for package in packages.values():
        texts = sorted(
            path
            for path in package.folder.iterdir()
            if path.is_file() and LICENSE_FILES.fullmatch(path.name)
        )
        parts.append(
            f"{'=' * 100}\n{package.name} {package.version}: {package.license}\n{'=' * 100}\n"
        )
        for path in texts:
            text = (
                path.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n").strip("\n")
            )
            parts.append(f"--- {path.name}\n\n{text}\n")
        if not texts:
            parts.append("(The package has no text of its licence.)\n")
    return "\n".join(parts)


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
