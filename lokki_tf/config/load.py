"""Settings put together from files and environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lokki_tf.errors import ConfigError, Place

from .kinds import Refusal, build, check, nearest
from .settings import Config
from .toml import TomlFile, has, read_toml

FILE_NAME = "lokki.toml"
STAGES = "stage"
STAGE_VARIABLE = "LOKKI_STAGE"
_STAGE_NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)

ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "LOKKI_BUILD_DIR": ("build_dir",),
    "LOKKI_ARTIFACT_BUCKET": ("aws", "artifact_bucket"),
    "LOKKI_IMAGE_REPOSITORY": ("aws", "image_repository"),
    "LOKKI_AWS_ENDPOINT": ("aws", "endpoint"),
    "LOKKI_LOG_LEVEL": ("logging", "level"),
}
"""Environment variables, and the fields that they set."""


def load_config(
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    stage: str | None = None,
) -> Config:
    """The settings that hold in a folder. What comes later wins, tables are merged:

    the defaults; ``~/.lokki/lokki.toml``; ``lokki.toml`` of the folder; ``[stage.NAME]``
    of the former and of the latter; the environment.

    Args:
        folder: Where ``lokki.toml`` is looked for; the working folder unless given.
        environ: Environment variables; those of the process unless given. An empty one
            counts as not set.
        stage: Which ``[stage.NAME]`` holds; the one that ``LOKKI_STAGE`` names unless given.

    Raises:
        ConfigError: If a file cannot be read, or has what no setting is.
    """
    environ = os.environ if environ is None else environ
    stage = stage or environ.get(STAGE_VARIABLE) or None
    files = [read_toml(path) for path in (*_of_user(environ), Path(folder or "", FILE_NAME))]
    merged: dict[str, Any] = {}
    for file in files:
        _check_file(file)
        merged = deep_merge(merged, file.table)
    stages = merged.pop(STAGES, {})
    if stage is not None:
        merged = deep_merge(merged, _stage(stages, stage, files))
    config = replace(build(Config, deep_merge(merged, _of_environment(environ))), stage=stage)
    _check_state(config, files, stages)
    return config


def deep_merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both tables as one: of scalars and lists the second's, of tables both, merged.

    Args:
        base: A table.
        over: The table that wins.
    """
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            value = deep_merge(merged[key], value)
        merged[key] = value
    return merged


def _of_user(environ: Mapping[str, str]) -> list[Path]:
    """The user's own file, if there is a home to have it."""
    try:
        home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    except RuntimeError:
        return []
    return [home / ".lokki" / FILE_NAME]


def _check_file(file: TomlFile) -> None:
    try:
        stages = file.table.get(STAGES, {})
        check({key: value for key, value in file.table.items() if key != STAGES}, Config)
        if not isinstance(stages, dict):
            raise Refusal((STAGES,), f"{STAGES} is {stages!r}: expected tables [{STAGES}.NAME]")
        for name, table in stages.items():
            path = (STAGES, name)
            if not _STAGE_NAME.fullmatch(name):
                message = f"the stage {name!r} would name resources, and AWS refuses that"
                raise Refusal(path, message, "use letters A to Z, digits, - and _")
            if not isinstance(table, dict):
                message = f"{STAGES}.{name} is {table!r}: expected a table"
                raise Refusal(path, message, f"write [{STAGES}.{name}.…] on a line of its own")
            check(table, Config, path)
    except Refusal as refusal:
        raise ConfigError(
            f"{file.name}: {refusal.message}",
            place=file.place(refusal.path),
            remedy=refusal.remedy,
        ) from None


def _stage(stages: Mapping[str, Any], name: str, files: list[TomlFile]) -> Mapping[str, Any]:
    if name in stages:
        table: Mapping[str, Any] = stages[name]
        return table
    known = ", ".join(stages) or "none"
    raise ConfigError(
        f"there is no stage {name!r}; there are: {known}",
        remedy=nearest(name, list(stages)) or f"write [{STAGES}.{name}] into {files[-1].name}",
    )


def _check_state(config: Config, files: Sequence[TomlFile], stages: Mapping[str, Any]) -> None:
    """Terraform's state in a bucket: there is one, and stages do not share a place in it."""
    settings = config.terraform
    if settings.backend != "s3":
        return
    if not settings.bucket:
        raise ConfigError(
            'backend = "s3" in [terraform] needs a bucket',
            place=_place(files, ("terraform", "backend"), config.stage),
            remedy='add bucket = "…", of a bucket that stands already',
        )
    own = stages.get(config.stage or "", {}).get("terraform", {})
    if config.stage and settings.key and not {"bucket", "key"} & set(own):
        raise ConfigError(
            "key in [terraform] is one for all stages, so each would overwrite the others' state",
            place=_place(files, ("terraform", "key"), None),
            remedy=f"leave it out, which gives each stage its own, or write key = … into "
            f"[{STAGES}.{config.stage}.terraform]",
        )


def _place(files: Sequence[TomlFile], path: Sequence[str], stage: str | None) -> Place | None:
    """Where the value stands that holds: in a stage's table, else in the last file that has it."""
    for keys in ([(STAGES, stage, *path)] if stage else []) + [tuple(path)]:
        for file in reversed(files):
            if has(file.table, keys):
                return file.place(keys)
    return None


def _of_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for variable, path in ENVIRONMENT.items():
        if not environ.get(variable):
            continue
        table: Any = environ[variable]
        for key in reversed(path):
            table = {key: table}
        try:
            check(table, Config)
        except Refusal as refusal:
            message = f"environment variable {variable}: {refusal.message}"
            raise ConfigError(message, remedy=refusal.remedy) from None
        merged = deep_merge(merged, table)
    return merged
