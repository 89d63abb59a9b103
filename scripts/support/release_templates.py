"""The templates of a release, made from ``template.yaml``: the same stack, with an archive that is there
already in place of a build.

They are edited as text, so that every comment stays. An edit that does not find its place, or finds it
twice, fails: the template has changed its shape, and somebody has to look.
"""

import re
from dataclasses import dataclass

# The names that CPUs have in a template and in the names of files.
ARCHITECTURES = ("x86_64", "arm64")
# The one that `template.yaml` names, and whose template is called just `agent-relay.yaml`.
DEFAULT_ARCHITECTURE = "x86_64"


class TemplateChangedError(Exception):
    """The template is not what the edits were made for."""


@dataclass(frozen=True)
class Edit:
    """Replaces one text, which has to stand in the template exactly once."""

    what: str
    old: str
    new: str

    def apply(self, text):
        found = text.count(self.old)
        if found != 1:
            raise TemplateChangedError(
                f"template.yaml has {found} places for {self.what}, and has to have one. Look at"
                f" scripts/support/release_templates.py, which looks for:\n{self.old}"
            )
        return text.replace(self.old, self.new)


HOW_TO_DEPLOY = "#   sam build && sam deploy --guided\n"
BUILD = """\
    Metadata:
      BuildMethod: rust-cargolambda
      BuildProperties:
        Binary: agent-relay
"""
CODE = "      CodeUri: .\n"
ARCHITECTURE = f"      Architectures: [{DEFAULT_ARCHITECTURE}]\n"
GROUPS = "    ParameterGroups:\n"
PARAMETERS = "\nParameters:\n"
APPLICATION = "  AWS::ServerlessRepo::Application:\n"


def archive_name(architecture):
    return f"agent-relay-{architecture}.zip"


def template_name(architecture):
    """The name of the template for an archive that lies beside it."""
    return (
        "agent-relay.yaml"
        if architecture == DEFAULT_ARCHITECTURE
        else f"agent-relay-{architecture}.yaml"
    )


def check_version(template, version):
    """That the template says the version, too."""
    said = re.findall(r"^    SemanticVersion: (\S+)$", template, re.MULTILINE)
    if said != [version]:
        raise TemplateChangedError(
            f"template.yaml has SemanticVersion {', '.join(said) or 'nowhere'}, and Cargo.toml has"
            f" version {version}."
        )


def beside_archive(template, version, architecture):
    """The template for `sam deploy`, which uploads the archive beside it."""
    name = template_name(architecture)
    return edited(
        template,
        Edit(
            "how to deploy",
            HOW_TO_DEPLOY,
            f"#   sam deploy --guided --template {name}\n"
            f"# This is Agent Relay {version}, whose {archive_name(architecture)} has to lie beside this file.\n",
        ),
        Edit("the build method", BUILD, ""),
        Edit("the function's code", CODE, f"      CodeUri: {archive_name(architecture)}\n"),
        Edit("the architecture", ARCHITECTURE, f"      Architectures: [{architecture}]\n"),
    )


def packaged(template, version):
    """The template for CloudFormation without the SAM CLI: parameters say where the archive is."""
    return edited(
        template,
        Edit(
            "how to deploy",
            HOW_TO_DEPLOY,
            "#   aws cloudformation deploy --template-file packaged.yaml --stack-name agent-relay \\\n"
            "#     --s3-bucket BUCKET --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND \\\n"
            "#     --parameter-overrides CodeBucket=BUCKET CodeKey=KEY ...\n"
            f"# This is Agent Relay {version}, whose archive has to be in a bucket of the stack's Region.\n",
        ),
        Edit(
            "the groups of parameters",
            GROUPS,
            GROUPS
            + "      - Label:\n"
            + "          default: Where the function's code is\n"
            + "        Parameters: [CodeBucket, CodeKey, Architecture]\n",
        ),
        Edit("the parameters", PARAMETERS, PARAMETERS + code_parameters(version)),
        Edit("the build method", BUILD, ""),
        Edit(
            "the function's code",
            CODE,
            "      CodeUri:\n        Bucket: !Ref CodeBucket\n        Key: !Ref CodeKey\n",
        ),
        Edit("the architecture", ARCHITECTURE, "      Architectures: [!Ref Architecture]\n"),
    )


def for_repository(template, version, repository, homepage):
    """The template for `sam package` and `sam publish`, with the archive in the folder above.

    What would be uploaded with each deployment (licence, README) stands in this one only.
    """
    return edited(
        beside_archive(template, version, DEFAULT_ARCHITECTURE),
        Edit(
            "the function's code",
            f"      CodeUri: {archive_name(DEFAULT_ARCHITECTURE)}\n",
            f"      CodeUri: ../{archive_name(DEFAULT_ARCHITECTURE)}\n",
        ),
        Edit(
            "the application's data",
            APPLICATION,
            APPLICATION
            + "    LicenseUrl: LICENSE-MIT\n"
            + "    ReadmeUrl: README.md\n"
            + f"    HomePageUrl: {homepage}\n"
            + f"    SourceCodeUrl: {repository}/tree/v{version}\n",
        ),
    )


def code_parameters(version):
    return f"""\
  CodeBucket:
    Type: String
    Description: The bucket, in this stack's Region, that has the archive of Agent Relay {version}.
    AllowedPattern: "[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9]"
    ConstraintDescription: The name of a bucket, without s3:// before it and without a key behind it.
  CodeKey:
    Type: String
    Description: >-
      The archive's key in the bucket, such as agent-relay/{version}/{archive_name(DEFAULT_ARCHITECTURE)}. A
      stack takes another archive only when it has another key.
    AllowedPattern: "[^/].*\\\\.zip"
    MaxLength: 1024
    ConstraintDescription: The key of a .zip, without a slash before it.
  Architecture:
    Type: String
    Default: {DEFAULT_ARCHITECTURE}
    AllowedValues: [{", ".join(ARCHITECTURES)}]
    Description: The CPU that the archive is for.
"""


def edited(template, *edits):
    for edit in edits:
        template = edit.apply(template)
    return template
