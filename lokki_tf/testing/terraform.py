"""Run Terraform against a local AWS without changing the configuration's folder.

State, plugins and lock file are stored in a temporary folder of the local AWS. The stages of each
command: write an override file with the backend and provider settings, put the lock file next to
it, run Terraform, remove both files. Commands after the first ``init`` use a provider that keeps
running, if the configuration has only one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lokki_tf.terraform_cli import MIRROR_VARIABLE, ProviderSource, find_program, find_provider
from lokki_tf.testing.errors import TerraformFailed
from lokki_tf.testing.provider import VARIABLE, KeptProvider, program_in
from lokki_tf.testing.state_server import StateServer

SLOW = ("aws_s3_bucket_lifecycle_configuration",)
"""Types of resources for which the AWS provider always waits long: here 55 seconds."""

_OVERRIDE = "local_aws_override.tf.json"
_LOCK = ".terraform.lock.hcl"
_CHANGES = 2
_CACHING = {"TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "true"}
_PARALLELISM = "-parallelism=30"
# Settings that cannot be made by environment variables such as AWS_ENDPOINT_URL. By default the
# provider makes 25 attempts, which is useless, because errors of a local server are permanent.
_PROVIDER = {
    "max_retries": 2,
    "s3_use_path_style": True,
    "skip_credentials_validation": True,
    "skip_metadata_api_check": True,
    "skip_region_validation": True,
}
_NATIVE_BLOCK = re.compile(r'^\s*(module|provider)\s+"', re.MULTILINE)


class Terraform:
    """Terraform in the folder of a configuration.

    Args:
        folder: The folder with the configuration.
        scratch: The folder for state and plugins.
        environment: The environment variables for the local AWS.
        skip: Types of resources in ``*.tf.json`` that are not created.
        kept: The account's provider, which runs until its next folder.
        states: What stores states.

    Raises:
        MissingToolError: If Terraform is missing or too old, or its provider is not available.
    """

    def __init__(
        self,
        folder: Path,
        scratch: Path,
        environment: Mapping[str, str],
        skip: Collection[str],
        kept: KeptProvider,
        states: StateServer,
    ) -> None:
        program = find_program()
        self._source = find_provider(program)
        self._program = program.path
        self._folder = folder.resolve()
        self._skip = skip
        self._kept = kept
        self._states = states
        name = hashlib.sha256(str(self._folder).encode()).hexdigest()[:16]
        self._scratch = scratch / name
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._data = self._scratch / "data"
        own = {"TF_IN_AUTOMATION": "1", "TF_DATA_DIR": str(self._data)}
        self._cache = _plugin_cache(self._source)
        cached = _CACHING | {"TF_PLUGIN_CACHE_DIR": str(self._cache)} if self._cache else {}
        own |= self._source.environment(self._scratch)
        self._environment = {**cached, **os.environ, **environment, **own}
        self._environment.pop("AWS_PROFILE", None)

    def apply(self, variables: Mapping[str, Any] | None) -> dict[str, Any]:
        """Run ``init`` and ``apply``, and return the outputs."""
        self._init()
        self._run("apply", "-auto-approve", _PARALLELISM, *_values(variables))
        outputs = json.loads(self._run("output", "-json"))
        return {name: output["value"] for name, output in outputs.items()}

    def plan_is_empty(self, variables: Mapping[str, Any] | None) -> bool:
        """Return whether ``plan`` shows no changes."""
        done = self._call("plan", "-detailed-exitcode", _PARALLELISM, *_values(variables))
        if done.returncode not in (0, _CHANGES):
            raise self._failed("plan", done)
        return done.returncode == 0

    def destroy(self, variables: Mapping[str, Any] | None) -> None:
        """Run ``destroy``."""
        self._run("destroy", "-auto-approve", _PARALLELISM, *_values(variables))

    def _init(self) -> None:
        """Run ``init``, unless it was run with the same requirements and modules."""
        done, wanted = self._scratch / "initialised.json", json.dumps(self._requirements())
        if done.is_file() and done.read_text() == wanted:
            return
        with _alone_in(self._cache):
            self._run("init")
        done.write_text(wanted)

    def _requirements(self) -> list[Any]:
        """Return what ``init`` depends on."""
        lock = self._folder / _LOCK
        wanted = [
            [str(folder), name, written.get("terraform"), written.get("module")]
            for folder in self._modules()
            for name, written in _written(folder)
        ]
        native = [[str(path), path.read_text()] for path in self._native()]
        return [wanted, native, lock.read_text() if lock.exists() else None]

    def _modules(self) -> list[Path]:
        """Return the folders of the configuration: the root, and modules by their paths."""
        found = [self._folder]
        for folder in found:
            for _, written in _written(folder):
                for module in written.get("module", {}).values():
                    path = (folder / str(module.get("source"))).resolve()
                    if path.is_dir() and path not in found:
                        found.append(path)
        return found

    def _native(self) -> list[Path]:
        return sorted(path for folder in self._modules() for path in folder.glob("*.tf"))

    @contextmanager
    def _attached(self, command: str) -> Iterator[Mapping[str, str]]:
        """Yield the variables of a provider that runs; none if Terraform has to start its own."""
        program = program_in(self._data)
        own = command == "init" or VARIABLE in self._environment
        if own or program is None or not self._has_one_provider():
            yield {}
            return
        given = program.resolve(), self._folder, self._environment, self._scratch
        with self._kept.attached(*given) as variables:
            yield variables

    def _has_one_provider(self) -> bool:
        """Return whether the configuration configures the provider once.

        Terraform starts a provider for each of its configurations; one that runs has the last.
        """
        configured = [
            one
            for folder in self._modules()
            for _, written in _written(folder)
            for one in _configurations(written)
        ]
        several = len(configured) > 1 or any("alias" in one for one in configured)
        # Types of resources are searched in this folder.
        elsewhere = any(not one.is_relative_to(self._folder) for one in self._modules())
        unread = any(_NATIVE_BLOCK.search(path.read_text()) for path in self._native())
        return not (several or elsewhere or unread)

    def _run(self, command: str, *arguments: str) -> str:
        done = self._call(command, *arguments)
        if done.returncode != 0:
            raise self._failed(command, done)
        return done.stdout

    def _call(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        options = () if command == "output" else ("-input=false",)
        with self._overridden(), self._attached(command) as provider:
            return subprocess.run(
                [self._program, command, "-no-color", *options, *arguments],
                cwd=self._folder,
                env={**self._environment, **provider},
                capture_output=True,
                text=True,
                check=False,
            )

    def _failed(self, command: str, done: subprocess.CompletedProcess[str]) -> TerraformFailed:
        said = done.stderr.strip() or done.stdout.strip()
        mirror, remedy = self._source.mirror, None
        if command == "init" and mirror is not None:
            remedy = (
                f"set {MIRROR_VARIABLE} to another mirror of providers: {mirror} has hashicorp/aws "
                f"{', '.join(self._source.versions)}"
            )
        return TerraformFailed(
            f"`terraform {command}` in {self._folder} failed:\n{said}", remedy=remedy
        )

    @contextmanager
    def _overridden(self) -> Iterator[None]:
        """Put the override and the lock file into the folder while a command runs."""
        override, lock = self._folder / _OVERRIDE, self._folder / _LOCK
        kept = self._scratch / _LOCK
        own_lock = not lock.exists()
        override.write_text(json.dumps(self._override(), indent=2))
        if own_lock and kept.exists():
            shutil.copy(kept, lock)
        try:
            yield
        finally:
            override.unlink()
            if own_lock and lock.exists():
                shutil.move(lock, kept)

    def _override(self) -> dict[str, Any]:
        backend = self._states.backend(self._scratch / "terraform.tfstate")
        skipped: dict[str, dict[str, Any]] = {}
        provider = dict(_PROVIDER)
        for _, written in _written(self._folder):
            provider |= self._local_endpoints(written)
            resources = written.get("resource", {})
            for kind in self._skip:
                for name in resources.get(kind, {}):
                    skipped.setdefault(kind, {})[name] = {"count": 0}
        return {
            "terraform": {"backend": backend},
            "provider": {"aws": provider},
            **({"resource": skipped} if skipped else {}),
        }

    def _local_endpoints(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """Return provider settings that replace the configuration's endpoints by the local AWS."""
        found: dict[str, Any] = {}
        for one in _configurations(written):
            for services in one.get("endpoints", []):
                url = self._environment["AWS_ENDPOINT_URL"]
                found["endpoints"] = [dict.fromkeys(services, url)]
            if "endpoints" in found and "region" in one:
                found["region"] = self._environment["AWS_REGION"]
        return found


def _written(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the JSON files of a folder by name, without the override."""
    paths = (path for path in sorted(folder.glob("*.tf.json")) if path.name != _OVERRIDE)
    return [(path.name, json.loads(path.read_text())) for path in paths]


def _configurations(written: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the configurations of the AWS provider in a file."""
    found = written.get("provider", {}).get("aws", [])
    return found if isinstance(found, list) else [found]


def _plugin_cache(source: ProviderSource) -> Path | None:
    """Return the folder that caches providers, or None if the user has configured a source."""
    if source.configuration or source.mirror or "TF_PLUGIN_CACHE_DIR" in os.environ:
        return None
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = caches / "lokki_tf" / "terraform-plugins"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _alone_in(cache: Path | None) -> Iterator[None]:
    """Hold a lock for the cache of providers.

    Source: Terraform's documentation, "CLI configuration file": the plugin cache directory is not
    guaranteed to be safe for concurrent ``terraform init`` commands.
    """
    if cache is None:
        yield
        return
    from filelock import FileLock

    with FileLock(cache.with_suffix(".lock")):
        yield


def _values(variables: Mapping[str, Any] | None) -> list[str]:
    given = (variables or {}).items()
    return [
        f"-var={name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in given
    ]
