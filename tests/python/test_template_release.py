"""The templates of a release: the stack of ``template.yaml``, with an archive in place of a build, and what
the Serverless Application Repository is told. Runs where the SAM CLI is, without an archive."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from deployment import FUNCTION, HERE, REPOSITORY, TEMPLATE, translate
from samcli.vendor.serverlessrepo.application_metadata import ApplicationMetadata
from samcli.vendor.serverlessrepo.parser import get_app_metadata
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

sys.path.insert(0, str(REPOSITORY / "scripts" / "support"))
import release_templates

TEXT = TEMPLATE.read_text()
WORKSPACE = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["workspace"]["package"]
VERSION = WORKSPACE["version"]
ARCHITECTURES = release_templates.ARCHITECTURES
RELEASED = {
    release_templates.template_name(architecture): release_templates.beside_archive(
        TEXT, VERSION, architecture
    )
    for architecture in ARCHITECTURES
} | {
    "packaged.yaml": release_templates.packaged(TEXT, VERSION),
    "serverlessrepo.yaml": release_templates.for_repository(
        TEXT, VERSION, WORKSPACE["repository"], WORKSPACE["homepage"]
    ),
}


def function_of(text):
    """The function as CloudFormation gets it, and the rest of the template."""
    template = yaml_parse(text)
    code = template["Resources"][FUNCTION]["Properties"]["CodeUri"]
    if isinstance(code, str):
        # As `sam package` does, after it has uploaded the archive.
        template["Resources"][FUNCTION]["Properties"]["CodeUri"] = "s3://bucket/key"
    translated = transform(template, {}, managed_policy_loader=None)
    return code, translated["Resources"].pop(FUNCTION), translated


@pytest.fixture(autouse=True)
def region(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", HERE["AWS::Region"])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_beside_its_archive_it_is_the_same_stack_without_a_build(architecture):
    text = RELEASED[release_templates.template_name(architecture)]
    code, function, rest = function_of(text)
    assert code == f"agent-relay-{architecture}.zip"
    assert function["Properties"]["Architectures"] == [architecture]
    # `sam build` would want Rust.
    assert "BuildMethod" not in text
    assert "sam build" not in text
    expected = translate()
    built = expected["Resources"].pop(FUNCTION)
    assert rest == expected
    for what in (function, built):
        what.get("Metadata", {}).pop("BuildMethod", None)
        what.get("Metadata", {}).pop("BuildProperties", None)
        del what["Properties"]["Architectures"]
    assert function["Properties"] == built["Properties"]


def test_packaged_it_takes_the_archive_where_the_parameters_say():
    text = RELEASED["packaged.yaml"]
    _, function, rest = function_of(text)
    properties = function["Properties"]
    assert properties["Code"] == {
        "S3Bucket": {"Ref": "CodeBucket"},
        "S3Key": {"Ref": "CodeKey"},
    }
    assert properties.pop("Architectures") == [{"Ref": "Architecture"}]
    assert "BuildMethod" not in text
    expected = translate()
    built = expected["Resources"].pop(FUNCTION)["Properties"]
    assert rest["Resources"] == expected["Resources"]
    assert {**properties, "Code": None} == {
        name: None if name == "Code" else value
        for name, value in built.items()
        if name != "Architectures"
    }


def test_packaged_it_asks_for_the_archive_in_a_group_of_its_own():
    template = yaml_parse(RELEASED["packaged.yaml"])
    original = yaml_parse(TEXT)
    added = set(template["Parameters"]) - set(original["Parameters"])
    assert added == {"CodeBucket", "CodeKey", "Architecture"}
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert set(groups[0]["Parameters"]) == added
    # Who forgets where the archive is gets no stack that takes it from somewhere else.
    assert "Default" not in template["Parameters"]["CodeBucket"]
    assert "Default" not in template["Parameters"]["CodeKey"]


@pytest.mark.parametrize(
    ("key", "taken"),
    [
        ("agent-relay-arm64.zip", True),
        ("a b/c.zip", True),
        ("/agent-relay.zip", False),
        ("agent-relay.zi", False),
        ("s3://bucket/", False),
        ("", False),
    ],
)
def test_a_key_has_the_form_of_an_archives_key(key, taken):
    pattern = yaml_parse(RELEASED["packaged.yaml"])["Parameters"]["CodeKey"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, key)) == taken


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("released")
    for name, text in RELEASED.items():
        (folder / name).write_text(text)
    return folder


def test_cfn_lint_finds_nothing(folder):
    found = tool("cfn-lint", "--include-checks", "I", "--", *sorted(RELEASED), folder=folder)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("name", RELEASED)
def test_sam_takes_it_for_valid(folder, name):
    found = tool("sam", "validate", "--lint", "--template", name, folder=folder)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("name", ["template.yaml", *RELEASED])
def test_it_says_what_a_repository_of_applications_wants(name):
    template = yaml_parse(TEXT if name == "template.yaml" else RELEASED[name])
    application = get_app_metadata(template)
    # What `sam publish` asks for.
    assert application.validate(["author", "description", "name", "semantic_version"])
    known = {
        value
        for name, value in vars(ApplicationMetadata).items()
        if name.isupper() and isinstance(value, str)
    }
    assert set(application.template_dict) <= known
    assert application.semantic_version == VERSION
    # Limits of the service.
    assert re.fullmatch(r"[a-zA-Z0-9-]{1,140}", application.name)
    assert len(application.description) <= 256
    assert re.fullmatch(r"[a-zA-Z0-9]([a-zA-Z0-9 -]*[a-zA-Z0-9])?", application.author)
    assert len(application.labels) <= 10
    assert all(re.fullmatch(r"[a-zA-Z0-9+_:/@-]{1,127}", label) for label in application.labels)
    # `sam deploy` would upload them each time, and whoever has but two files could not.
    files = {application.license_url, application.readme_url}
    assert files == ({"LICENSE-MIT", "README.md"} if name == "serverlessrepo.yaml" else {None})


def test_published_it_names_the_repository_and_the_release():
    application = get_app_metadata(yaml_parse(RELEASED["serverlessrepo.yaml"]))
    assert application.home_page_url == WORKSPACE["homepage"]
    assert application.source_code_url == f"{WORKSPACE['repository']}/tree/v{VERSION}"


@pytest.mark.parametrize(
    "piece",
    [
        release_templates.HOW_TO_DEPLOY,
        release_templates.BUILD,
        release_templates.CODE,
        release_templates.ARCHITECTURE,
    ],
)
@pytest.mark.parametrize("times", [0, 2])
@pytest.mark.parametrize("make", [release_templates.packaged, release_templates.beside_archive])
def test_a_template_of_another_shape_is_refused(make, piece, times):
    changed = TEXT.replace(piece, piece * times)
    assert changed != TEXT
    more = ["x86_64"] if make is release_templates.beside_archive else []
    with pytest.raises(release_templates.TemplateChangedError, match=f"has {times} places"):
        make(changed, VERSION, *more)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT.replace(f"SemanticVersion: {VERSION}", "SemanticVersion: 9.9.9"), "9.9.9"),
        (TEXT.replace(f"    SemanticVersion: {VERSION}\n", ""), "nowhere"),
    ],
)
def test_a_template_of_another_version_is_refused(text, said):
    release_templates.check_version(TEXT, VERSION)
    with pytest.raises(release_templates.TemplateChangedError, match=said):
        release_templates.check_version(text, VERSION)


def tool(name, *arguments, folder):
    return subprocess.run(
        [Path(sys.executable).parent / name, *arguments],
        cwd=folder,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "AWS_DEFAULT_REGION": HERE["AWS::Region"],
            "SAM_CLI_TELEMETRY": "0",
        },
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
