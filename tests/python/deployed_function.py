"""The function as a deployment has it: an executable with the environment that a template gives it."""

import json
import shlex
import subprocess

from local_aws import REPOSITORY


def deployed_environment(template, **parameters):
    """The environment of the function in a deployment of a template with these parameters.

    Asks the SAM CLI's virtual environment, where the translator is.
    """
    program = REPOSITORY / "tests" / "python" / "deployment.py"
    given = [f"{name}={value}" for name, value in parameters.items()]
    output = subprocess.run(
        [REPOSITORY / ".venv/sam/bin/python", program, template, *given],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return json.loads(output)


def deployed_function(artifact, variables, directory, *, without=()):
    """A program in the directory that is the artifact with these variables, except those that are left out.

    The local AWS sets up the function by itself; the deployment's environment goes over that.
    """
    function = directory / "function"
    exports = (
        f"export {name}={shlex.quote(value)}"
        for name, value in variables.items()
        if name not in without
    )
    function.write_text(
        "\n".join(["#!/bin/sh", *exports, f'exec {shlex.quote(str(artifact))} "$@"', ""])
    )
    function.chmod(0o755)
    return function
