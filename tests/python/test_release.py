"""The files of a release, which `scripts/release --dry-run` has made: whoever has two of them and no Rust
deploys a function that answers.

What the templates say is in test_template_release.py, and all that the function does in test_artifact.py.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import boto3
import pytest
from deployed_function import deployed_environment, deployed_function
from local_aws import REPOSITORY, LocalAws
from moto.server import ThreadedMotoServer
from relay_client import WebSocketClient
from released_files import (
    ARCHITECTURE,
    ARCHIVE,
    FOLDER,
    LICENSES,
    MATERIALS,
    PACKAGED,
    SUMS,
    TEMPLATE,
    VERSION,
    unpacked,
)

SAM = REPOSITORY / ".venv" / "sam" / "bin"
# A machine without Rust: the SAM CLI, and what every system has.
WITHOUT_RUST = f"{SAM}:/usr/bin:/bin"
HARNESS = "arn:aws:bedrock-agentcore:us-east-1:000000000000:harness/local_harness-LOCALHARN1"
LOCAL = {"AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"}


# The files.


def test_the_sums_are_those_of_all_files():
    sums = dict(reversed(line.split("  ", 1)) for line in SUMS.read_text().splitlines())
    assert sums == {name: sha256(FOLDER / name) for name in sums}
    wanted = {path.name for path in (ARCHIVE, TEMPLATE, MATERIALS, LICENSES, PACKAGED)}
    assert wanted <= set(sums)
    check = ["sha256sum", "--check", "--strict", SUMS.name]
    subprocess.run(check, cwd=FOLDER, check=True, stdout=subprocess.DEVNULL)


def test_the_archive_has_the_function_and_nothing_of_when_it_was_made():
    with zipfile.ZipFile(ARCHIVE) as archive:
        (entry,) = archive.infolist()
    assert entry.filename == "bootstrap"
    assert entry.external_attr >> 16 == 0o100755
    assert entry.date_time == (1980, 1, 1, 0, 0, 0)
    assert entry.extra == b""


def test_the_binary_has_nothing_of_where_it_was_made(tmp_path):
    binary = unpacked(tmp_path).read_bytes()
    cargo_home = os.environ.get("CARGO_HOME", str(Path.home() / ".cargo"))
    for path in (str(REPOSITORY), cargo_home, f"{Path.home()}/.rustup"):
        assert path.encode() not in binary
    # But it still says which file panicked.
    assert re.search(rb"/registry/tokio-[0-9.]+/src/", binary)


@pytest.mark.skipif(
    platform.machine() != "x86_64",
    reason="sam build makes none for another CPU than the template's",
)
def test_sam_build_makes_the_same_binary(tmp_path):
    built = REPOSITORY / ".aws-sam" / "build" / "RelayFunction" / "bootstrap"
    assert sha256(built) == sha256(unpacked(tmp_path))


def test_no_link_of_the_application_repositorys_readme_is_relative():
    if ARCHITECTURE != "x86_64":
        pytest.skip("made with the default CPU's archive only")
    readme = (FOLDER / "serverlessrepo" / "README.md").read_text()
    links = re.findall(r"\]\(([^)]*)\)", readme)
    assert len(links) > 20
    assert [link for link in links if not re.match(r"https?:|#", link)] == []


def test_made_again_of_the_same_binary_every_file_is_the_same(tmp_path):
    binary = unpacked(tmp_path)
    again = tmp_path / "again"
    again.mkdir()
    commit = ["git", "log", "-1", "--format=%ct"]
    environment = os.environ | {
        "SOURCE_DATE_EPOCH": subprocess.check_output(commit, cwd=REPOSITORY, text=True).strip()
    }
    subprocess.run(
        [
            REPOSITORY / ".venv/release/bin/python",
            "scripts/support/release_files.py",
            *("--out", again, f"{ARCHITECTURE}={binary}"),
        ],
        cwd=REPOSITORY,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    for path in again.iterdir():
        if path.is_file() and path.name != SUMS.name:
            assert path.read_bytes() == (FOLDER / path.name).read_bytes(), path.name


# What it is made of.


def test_the_bill_of_materials_fits_its_schema():
    """By the library that CycloneDX's own people write."""
    program = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1], encoding="utf-8").read())
sys.exit(None if fault is None else repr(fault))
"""
    python = REPOSITORY / ".venv/release/bin/python"
    subprocess.run([python, "-c", program, MATERIALS], check=True)


def test_the_bill_of_materials_is_of_this_archive():
    subject = json.loads(MATERIALS.read_text())["metadata"]["component"]
    assert (subject["name"], subject["version"]) == ("agent-relay", VERSION)
    assert subject["hashes"] == [{"alg": "SHA-256", "content": sha256(ARCHIVE)}]


def test_the_bill_of_materials_has_every_package_that_the_binary_names(tmp_path):
    named = {
        match[1].decode()
        for match in re.finditer(rb"/registry/([\w.+-]+?)/", unpacked(tmp_path).read_bytes())
    }
    assert len(named) > 50
    assert named <= materials()


def test_the_bill_of_materials_has_none_that_only_builds_or_tests():
    names = {material.rpartition("-")[0] for material in materials()}
    assert {"aws-lc-sys", "tokio", "rustls", "serde"} <= names
    # Macros, build scripts, the local AWS, tests.
    assert not {"syn", "serde_derive", "cc", "clap", "local-aws", "proptest", "axum"} & names


def test_every_material_has_its_licence():
    bill = json.loads(MATERIALS.read_text())
    assert all(component["licenses"] for component in bill["components"])
    texts = LICENSES.read_text()
    for component in bill["components"]:
        assert f"\n{component['name']} {component['version']}: " in texts, component["name"]
    assert "Permission is hereby granted, free of charge" in texts


# Deploying it.


def test_the_archive_answers_under_the_local_aws_as_its_template_deploys_it(tmp_path):
    variables = deployed_environment(
        TEMPLATE, AccessCode="correct horse battery", HarnessArn=HARNESS
    )
    function = deployed_function(unpacked(tmp_path), variables, tmp_path, without=LOCAL)
    options = ("--function", str(function), "--access-code", "correct horse battery")
    with (
        LocalAws(*options, "--source", "harness") as aws,
        WebSocketClient(aws, token="correct horse battery") as client,
    ):
        frames = client.send(json.dumps({"prompt": "hello"}))
    assert frames[0]["type"] == "RUN_STARTED"
    assert frames[-1]["type"] == "RUN_FINISHED", frames[-1]
    assert len(frames) > 3


def test_both_templates_give_the_function_the_environment_of_the_one_that_is_built():
    parameters = {"AccessCode": "correct horse battery", "HarnessArn": HARNESS}
    wanted = deployed_environment(REPOSITORY / "template.yaml", **parameters)
    assert deployed_environment(TEMPLATE, **parameters) == wanted
    code = {"CodeBucket": "bucket", "CodeKey": "key.zip"}
    assert deployed_environment(PACKAGED, **parameters, **code) == wanted


def test_the_sam_cli_uploads_the_archive_as_it_is_on_a_machine_without_rust(tmp_path):
    assert shutil.which("cargo", path=WITHOUT_RUST) is None
    for path in (ARCHIVE, TEMPLATE):
        shutil.copy(path, tmp_path)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environment = {
            "PATH": WITHOUT_RUST,
            "HOME": str(tmp_path),
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "SAM_CLI_TELEMETRY": "0",
            "no_proxy": "127.0.0.1",
        }
        storage = boto3.client(
            "s3",
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
        )
        storage.create_bucket(Bucket="uploads")
        # The half of `sam deploy` that looks at files.
        package = ["sam", "package", "--template", TEMPLATE.name, "--s3-bucket", "uploads"]
        subprocess.run(
            [*package, "--output-template-file", "packaged.yaml"],
            cwd=tmp_path,
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (uploaded,) = storage.list_objects_v2(Bucket="uploads")["Contents"]
        body = storage.get_object(Bucket="uploads", Key=uploaded["Key"])["Body"].read()
    finally:
        server.stop()
    assert body == ARCHIVE.read_bytes()
    assert f"CodeUri: s3://uploads/{uploaded['Key']}" in (tmp_path / "packaged.yaml").read_text()


# `scripts/deploy`.


@pytest.fixture
def tools(tmp_path):
    """A folder for the path with a SAM CLI and an AWS CLI that say what they are told to do."""
    folder = tmp_path / "tools"
    folder.mkdir()
    program(
        folder / "sam", 'if [ "$1" = --version ]; then echo "SAM CLI, version 1.170.0"; exit; fi'
    )
    program(folder / "aws")
    return folder


@pytest.fixture
def downloaded(tmp_path):
    """A folder with the two files of a release, and the sums."""
    folder = tmp_path / "down loaded"
    folder.mkdir()
    for path in (ARCHIVE, TEMPLATE, SUMS):
        shutil.copy(path, folder)
    return folder


def test_deploy_asks_the_first_time_and_not_again(tools, downloaded):
    first = deploy(downloaded, "--arch", ARCHITECTURE, tools=tools)
    assert first.returncode == 0, first.stdout
    wanted = f"sam deploy --template {downloaded / TEMPLATE.name} --capabilities CAPABILITY_IAM"
    assert first.stdout.splitlines()[-1] == f"{wanted} --guided"
    (downloaded / "samconfig.toml").write_text("")
    again = deploy(downloaded, "--arch", ARCHITECTURE, tools=tools)
    assert again.stdout.splitlines()[-1] == wanted


def test_deploy_passes_on_what_is_for_sam(tools, downloaded):
    options = ["--stack-name", "relay", "--parameter-overrides", f"HarnessArn={HARNESS}"]
    done = deploy(downloaded, "--arch", ARCHITECTURE, "--", *options, tools=tools)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].endswith(" --resolve-s3 " + " ".join(options))
    assert "--guided" not in done.stdout


def test_deploy_takes_what_scripts_release_has_made(tools):
    done = deploy("--arch", ARCHITECTURE, tools=tools)
    assert done.returncode == 0, done.stdout
    assert f"--template {TEMPLATE}" in done.stdout


def test_deploy_says_that_the_sam_cli_is_missing(tools, downloaded):
    (tools / "sam").unlink()
    refused(deploy(downloaded, tools=tools, arch=True), "the SAM CLI was not found")


def test_deploy_says_that_the_sam_cli_is_too_old(tools, downloaded):
    program(tools / "sam", 'echo "SAM CLI, version 1.99.0"; exit')
    refused(
        deploy(downloaded, tools=tools, arch=True), "this SAM CLI is 1.99.0; the template needs"
    )


def test_deploy_says_that_aws_refuses_the_credentials(tools, downloaded):
    program(tools / "aws", "echo 'Unable to locate credentials' >&2; exit 253")
    done = deploy(downloaded, tools=tools, arch=True)
    refused(done, "AWS does not take your credentials")
    assert "Unable to locate credentials" in done.stdout


def test_deploy_asks_for_the_credentials_that_sam_is_to_use(tools, downloaded):
    program(tools / "aws", 'case " $* " in *" --profile prod "*) ;; *) exit 253 ;; esac')
    done = deploy(downloaded, "--arch", ARCHITECTURE, "--", "--profile", "prod", tools=tools)
    assert done.returncode == 0, done.stdout
    done = deploy(downloaded, "--arch", ARCHITECTURE, "--", "--profile=prod", tools=tools)
    assert done.returncode == 0, done.stdout
    refused(deploy(downloaded, tools=tools, arch=True), "AWS does not take your credentials")


def test_deploy_says_that_there_are_no_credentials(tools, downloaded):
    (tools / "aws").unlink()
    done = deploy(downloaded, tools=tools, arch=True, AWS_CONFIG_FILE="/nowhere")
    refused(done, "there are no AWS credentials to be seen")
    done = deploy(downloaded, tools=tools, arch=True, AWS_ACCESS_KEY_ID="key")
    assert done.returncode == 0, done.stdout


def test_deploy_says_that_a_file_is_missing(tools, downloaded):
    (downloaded / ARCHIVE.name).unlink()
    refused(deploy(downloaded, tools=tools, arch=True), f"there is no {ARCHIVE.name} in")


def test_deploy_says_that_a_file_is_not_the_released_one(tools, downloaded):
    with (downloaded / ARCHIVE.name).open("r+b") as archive:
        archive.truncate(1000)
    refused(deploy(downloaded, tools=tools, arch=True), "are not those of its SHA256SUMS")


def test_deploy_takes_no_file_that_the_sums_do_not_name(tools, downloaded):
    sums = downloaded / SUMS.name
    lines = sums.read_text().splitlines(keepends=True)
    sums.write_text("".join(line for line in lines if ARCHIVE.name not in line))
    refused(deploy(downloaded, tools=tools, arch=True), "are not those of its SHA256SUMS")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--guided"], "those of 'sam deploy' come after '--'"),
        (["--arch", "mips"], "there is no CPU 'mips'"),
        (["--arch"], "--arch wants a value"),
        (["one", "two"], "there are two folders"),
    ],
)
def test_deploy_says_what_is_wrong_with_its_arguments(tools, arguments, said):
    refused(deploy(*arguments, tools=tools), said)


# `scripts/release`, when it is not a dry run.

# What stands before the name of the repository in its address.
OWNER = re.compile(r"https://github\.com/[^/]+/")


@pytest.fixture
def clone(tmp_path):
    """A clone of this commit that may be released, but for what a test changes."""
    folder = tmp_path / "clone"
    git("clone", "--quiet", "--no-tags", REPOSITORY, folder)
    # As the tree is here, with what is not committed yet; a release wants a repository with a name.
    changed = subprocess.check_output(["git", "diff", "HEAD", "--binary"], cwd=REPOSITORY)
    if changed:
        subprocess.run(["git", "apply", "--index"], cwd=folder, input=changed, check=True)
    manifest = folder / "Cargo.toml"
    manifest.write_text(OWNER.sub("https://github.com/somebody/", manifest.read_text()))
    commit_all(folder)
    git("tag", f"v{VERSION}", cwd=folder)
    return folder


def test_what_may_be_released_comes_to_the_build(clone, tmp_path):
    refused(release(clone, tmp_path), "Rust's standard library for")


def test_an_unclean_tree_is_not_released(clone, tmp_path):
    (clone / "forgotten.txt").write_text("")
    refused(release(clone, tmp_path), "The tree is not clean")


def test_a_commit_without_the_versions_tag_is_not_released(clone, tmp_path):
    git("tag", "--delete", f"v{VERSION}", cwd=clone)
    git("tag", "v0.0.1", cwd=clone)
    refused(release(clone, tmp_path), f"does not have the tag v{VERSION}")


def test_a_version_that_the_changelog_does_not_have_is_not_released(clone, tmp_path):
    changelog = clone / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace(f"## [{VERSION}]", "## [9.9.9]"))
    refused(release(clone, tmp_path), f"no heading '## [{VERSION}]")


def test_a_repository_without_a_name_is_not_released(clone, tmp_path):
    manifest = clone / "Cargo.toml"
    manifest.write_text(OWNER.sub("https://github.com/OWNER/", manifest.read_text()))
    refused(release(clone, tmp_path), "does not say where the repository is")


def test_a_package_of_another_version_is_not_released(clone, tmp_path):
    package = clone / "packages" / "some-client" / "package.json"
    package.parent.mkdir(parents=True)
    package.write_text('{"version": "0.0.1"}')
    refused(release(clone, tmp_path), "some-client/package.json has version 0.0.1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--arch", "mips"], "there is no CPU 'mips'"),
        (["--arch", ","], "--arch names no CPU"),
        (["--out"], "--out wants a value"),
        (["--fast"], "there is no option '--fast'"),
    ],
)
def test_release_says_what_is_wrong_with_its_arguments(arguments, said):
    refused(run([REPOSITORY / "scripts" / "release", *arguments], os.environ), said)


# Helpers.


def deploy(*arguments, tools, arch=False, **environment):
    """`scripts/deploy` where nothing but these tools and the system's is found."""
    given = [
        REPOSITORY / "scripts" / "deploy",
        *(["--arch", ARCHITECTURE] if arch else []),
        *arguments,
    ]
    return run(given, {"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(tools)} | environment)


def release(clone, directory):
    """`scripts/release` in a clone, with a Rust that has no standard library for the function's CPU."""
    tools = directory / "rust"
    tools.mkdir()
    program(tools / "rustc", "echo /nowhere; exit")
    program(tools / "rustup", "echo no network >&2; exit 1")
    program(tools / "cargo", f"PATH='{os.environ['PATH']}'; exec cargo \"$@\"")
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}
    return run([clone / "scripts" / "release", "--arch", ARCHITECTURE], environment)


def run(command, environment):
    return subprocess.run(
        command,
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def refused(done, said):
    assert done.returncode == 1, done.stdout
    assert said in done.stdout


def program(path, *first):
    """A script that does something first, and then says how it was called."""
    path.write_text("\n".join(["#!/bin/sh", *first, f'echo {path.name} "$@"', ""]))
    path.chmod(0o755)


def git(*arguments, cwd=None):
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True)


def commit_all(folder):
    git("add", "--all", cwd=folder)
    # Empty where the repository's owner is the one of the test.
    git(
        "commit",
        "--allow-empty",
        "--quiet",
        "--no-verify",
        "--no-gpg-sign",
        "-m",
        "A release",
        cwd=folder,
    )


def materials():
    """Every package of the bill, as the folders of a registry are called."""
    bill = json.loads(MATERIALS.read_text())
    return {f"{component['name']}-{component['version']}" for component in bill["components"]}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
