"""``lokki-tf doctor``: what this computer has, of all that lokki_tf uses, and what is missing.

An error means that deploying does not work; a warning, that something else does not, or soon will
not. Without ``--online`` nothing is asked that is not on this computer.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import Literal
from urllib.parse import urlsplit

import click

from lokki_tf.config import Config, is_loopback, load_config
from lokki_tf.errors import LokkiError
from lokki_tf.version import __version__

Status = Literal["ok", "warning", "error"]
_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}
_SECONDS = 5.0  # the time limit of a question to a server
_SOON = timedelta(days=180)
_CONTAINER_ROLE = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


@dataclass(frozen=True, slots=True)
class Check:
    """What was found about one thing.

    Args:
        name: The thing.
        text: What was found.
        status: ``ok``, ``warning`` or ``error``.
        remedy: What to do about a warning or an error.
    """

    name: str
    text: str
    status: Status = "ok"
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Examined:
    """What is examined.

    Args:
        online: Whether servers are asked, too.
        stage: Name of the stage of the settings.
        today: The date for which runtimes are compared.
    """

    online: bool = False
    stage: str | None = None
    today: date = field(default_factory=date.today)


@click.command("doctor")
@click.option(
    "--online",
    is_flag=True,
    help="Also ask AWS whether the credentials are valid, and Terraform's registry whether it "
    "can be reached.",
)
@click.option("--stage", metavar="NAME", help="The stage, [stage.NAME] in lokki.toml.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def doctor_command(online: bool, stage: str | None, as_json: bool) -> None:
    """Examine this computer and the settings in the working folder, and name what is missing.

    Errors prevent deployments; the exit code is then 1. Warnings concern only some pipelines.
    Without --online nothing is asked that is not on this computer.
    """
    found = list(checks(Examined(online, stage)))
    worst = max((one.status for one in found), key=list(_COLOURS).index)
    if as_json:
        listed = [
            {
                "name": one.name,
                "status": one.status,
                "text": one.text,
                **({"remedy": one.remedy} if one.remedy else {}),
            }
            for one in found
        ]
        whole = {"lokki_tf": __version__, "status": worst, "checks": listed}
        click.echo(json.dumps(whole, indent=2))
    else:
        _print(found)
    if worst == "error":
        raise SystemExit(1)


def _print(found: list[Check]) -> None:
    width = max(len(one.name) for one in found)
    color = False if os.environ.get("NO_COLOR") else None
    for one in found:
        status = click.style(f"{one.status:8}", fg=_COLOURS[one.status])
        click.echo(f"{status} {one.name:{width}}  {one.text}", color=color)
        for line in (one.remedy or "").splitlines():
            click.echo(f"{'':{width + 11}}{line}")


def checks(examined: Examined) -> Iterator[Check]:
    """Yield what is found about each thing, the most basic first.

    Args:
        examined: What is examined.
    """
    yield _python()
    yield Check("lokki_tf", __version__)
    settings = _attempt("settings", partial(_settings, examined))
    yield settings
    broken = settings.status == "error"
    config = Config() if broken else load_config(stage=examined.stage)
    yield _lambda_runtime(config, examined.today)
    yield _attempt("CDK library", _cdk)
    yield _attempt("Node", _node)
    yield _attempt("Terraform", _terraform)
    yield _attempt("AWS provider", partial(_provider, examined))
    yield _state(config)
    yield _boto3()
    yield _attempt("region", partial(_region, config))
    yield _attempt("credentials", partial(_credentials, config, examined))
    yield _attempt("local AWS", _moto, "warning")
    yield _attempt("containers", partial(_containers, examined), "warning")


def _attempt(name: str, check: Callable[[], Check], status: Status = "error") -> Check:
    """Return a check, or its exception as one with a status."""
    try:
        return check()
    except LokkiError as error:
        place = f", at {error.place}" if error.place else ""
        return Check(name, f"{error.message}{place}", status, error.remedy)


def _python() -> Check:
    from lokki_tf.model.options import RUNTIMES

    text = f"{platform.python_version()} ({sys.executable})"
    own = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if own not in RUNTIMES:
        return Check(
            "Python",
            f"{text}: Lambda has no runtime of this version",
            "warning",
            f"use one that Lambda has, up to {RUNTIMES[-1]}, so that code that runs here runs "
            "there, too",
        )
    return Check("Python", text)


def _settings(examined: Examined) -> Check:
    from lokki_tf.config.load import FILE_NAME

    config = load_config(stage=examined.stage)
    stage = f", stage {config.stage}" if config.stage else ""
    file = FILE_NAME if os.path.exists(FILE_NAME) else f"no {FILE_NAME} in this folder: defaults"
    return Check("settings", f"{file}{stage}")


def _lambda_runtime(config: Config, today: date) -> Check:
    from lokki_tf.checks.runtimes import DEPRECATIONS, day_text
    from lokki_tf.model.options import RUNTIMES

    runtime = config.lambda_.python_runtime
    ends = DEPRECATIONS.get(runtime)
    newer = f'set python_runtime = "{RUNTIMES[-1]}" under [lambda] in lokki.toml'
    if ends is None:
        return Check(
            "Lambda runtime",
            f"{runtime}, which Lambda does not offer",
            "error",
            f"{newer}, or another one of {', '.join(RUNTIMES)}",
        )
    if ends <= today:
        text = f"{runtime}, which AWS deprecated on {day_text(ends)}: no security patches"
        return Check("Lambda runtime", text, "warning", newer)
    text = f"{runtime}, which AWS supports until {day_text(ends)}"
    if ends - today < _SOON:
        return Check("Lambda runtime", text, "warning", newer)
    return Check("Lambda runtime", text)


def _cdk() -> Check:
    from lokki_tf.terraform import cdk

    library = cdk.preferred()
    names = (library, cdk.BINDINGS[library].replace("_", "-"))
    return Check("CDK library", ", ".join(f"{name} {_version(name)}" for name in names))


def _node() -> Check:
    from lokki_tf.node import find_node

    node = os.environ.get("JSII_NODE") or find_node()
    version = _said(node, "--version")
    if version is None:
        remedy = "set JSII_NODE to the path of a Node, or unset it"
        return Check("Node", f"{node} does not run", "error", remedy)
    return Check("Node", f"{version} ({node})")


def _terraform() -> Check:
    from lokki_tf.terraform_cli import find_program

    found = find_program()
    return Check("Terraform", f"{found.version} ({found.path})")


def _provider(examined: Examined) -> Check:
    from lokki_tf.terraform_cli import (
        find_mirror,
        find_program,
        find_provider,
        provider_on_computer,
    )

    program = find_program()
    source = provider_on_computer(program)
    if source is None and examined.online:
        source = find_provider(program)
        if source.mirror is None:
            return Check("AWS provider", f"from {program.registry}, which answers")
    if source is None:
        mirror = find_mirror(program.registry)
        other = f", or if it cannot be reached, from {mirror}" if mirror else ""
        text = f"from {program.registry} (not asked without --online){other}"
        return Check("AWS provider", text)
    where = source.mirror or source.configuration
    versions = ", ".join(source.versions)
    parts = (versions, f"from {where}" if where else "in a local mirror directory of Terraform's")
    return Check("AWS provider", " ".join(filter(None, parts)))


def _state(config: Config) -> Check:
    if config.terraform.backend != "local":
        return Check("Terraform state", f"in the bucket {config.terraform.bucket}")
    remedy = 'write backend = "s3" and bucket = "…" under [terraform] in lokki.toml'
    if os.environ.get("CI"):
        text = "in a file, which is lost with this computer of a CI service"
        return Check("Terraform state", text, "error", remedy)
    return Check("Terraform state", "in files below the folder of synth, for one computer")


def _boto3() -> Check:
    if not importlib.util.find_spec("boto3"):
        return Check("boto3", "not installed", "error", "pip install 'lokki-tf[aws]'")
    return Check("boto3", _version("boto3"))


def _region(config: Config) -> Check:
    from lokki_tf.operate.clients import session

    region = session(config).get_config_variable("region")
    if region is None:
        return Check(
            "region",
            "no AWS region is set",
            "error",
            'write region = "…" under [aws] in lokki.toml, or set AWS_REGION',
        )
    return Check("region", region)


def _credentials(config: Config, examined: Examined) -> Check:
    from lokki_tf.operate.clients import caller_arn, credentials_source, endpoint, is_local
    from lokki_tf.operate.refusals import GIVE

    where = f" at {endpoint(config)}" if endpoint(config) else ""
    if examined.online:
        return Check("credentials", f"{caller_arn(config, _SECONDS)}{where}")
    source = credentials_source(config)
    if is_local(config):
        return Check("credentials", f"not needed{where}, a local AWS")
    if source is None and any(os.environ.get(name) for name in _CONTAINER_ROLE):
        source = "container-role"
    if source is None:
        return Check(
            "credentials",
            "none in the environment or in AWS's configuration files",
            "error",
            f"{GIVE}; on an EC2 instance with a role, --online finds them",
        )
    return Check("credentials", f"from {source} (not verified without --online){where}")


def _moto() -> Check:
    from lokki_tf.testing.server_process import require_moto

    missing = [name for name in ("moto", "flask", "jsonpath_ng") if _is_missing(name)]
    if missing:
        return Check(
            "local AWS",
            f"{missing[0]} is not installed: no tests with local_aws, no run --local-aws",
            "warning",
            "pip install 'lokki-tf[testing]'",
        )
    require_moto()
    return Check("local AWS", f"moto {_version('moto')}")


def _containers(examined: Examined) -> Check:
    from lokki_tf.images.engine import connect

    host = os.environ.get("DOCKER_HOST", "")
    is_remote = host and not host.startswith(("unix:", "npipe:")) and not _is_loopback(host)
    if is_remote and not examined.online:
        return Check("containers", f"the engine at {host} (not asked without --online)")
    found = _attempt("containers", lambda: _engine(connect), "warning")
    if found.status == "ok":
        return found
    text = f"{found.text} (required only for container images)"
    return Check(found.name, text, found.status, found.remedy)


def _engine(connect: Callable[[float], object]) -> Check:
    client = connect(_SECONDS)
    version = client.version()["Version"]  # type: ignore[attr-defined]  # a client of Docker's SDK
    return Check("containers", f"the engine answers, version {version}")


def _is_loopback(host: str) -> bool:
    return is_loopback(f"http://{urlsplit(host).netloc}")


def _is_missing(module: str) -> bool:
    return importlib.util.find_spec(module) is None


def _version(package: str) -> str:
    return importlib.metadata.version(package)


def _said(*command: str) -> str | None:
    """Return the version that a program prints; ``None`` if it does not run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\d+\.\d+\.\d+", done.stdout)
    return found[0] if found else None
