"""Loading of settings: files and environment variables, merged, and checked together."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lokki_tf.errors import ConfigError, Place, UnknownStageError
from lokki_tf.model.terraform_refs import shown
from lokki_tf.tracebacks import ends_at_caller

from .kinds import STAGES, InvalidSetting, build, check, fields, nearest, with_present_names
from .rules import refuse_region
from .settings import Config
from .toml import TomlFile, has, read_toml

FILE_NAME = "lokki.toml"
STAGE_VARIABLE = "LOKKI_STAGE"
_STAGE_NAME = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)

ENVIRONMENT: Mapping[str, tuple[str, ...]] = {
    "LOKKI_BUILD_DIR": ("build_dir",),
    "LOKKI_ARTIFACT_BUCKET": ("aws", "artifact_bucket"),
    "LOKKI_IMAGE_REPOSITORY": ("aws", "image_repository"),
    "LOKKI_AWS_ENDPOINT": ("aws", "endpoint"),
    "LOKKI_REGION": ("aws", "region"),
    "LOKKI_LOG_LEVEL": ("logging", "level"),
}
"""Environment variables, and the fields that they set."""

_WARNED: dict[Any, Any] = {}
"""Warnings that were shown, as the module ``warnings`` keeps them."""


@contextmanager
def stage_in_environment(stage: str | None) -> Iterator[None]:
    """Set ``LOKKI_STAGE``, which a pipeline's code may read while it is built.

    Args:
        stage: The stage; ``None`` leaves the environment as it is.
    """
    before = os.environ.get(STAGE_VARIABLE)
    if stage is None or stage == before:
        yield
        return
    os.environ[STAGE_VARIABLE] = stage
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(STAGE_VARIABLE, None)
        else:
            os.environ[STAGE_VARIABLE] = before


@ends_at_caller
def load_config(
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    stage: str | None = None,
) -> Config:
    """Load the settings for a folder.

    Tables are merged, and later sources win: the defaults; ``~/.lokki/lokki.toml``; ``lokki.toml``
    in the folder; ``[stage.NAME]`` of the former and of the latter; environment variables.

    Args:
        folder: The folder with ``lokki.toml``; the working folder by default.
        environ: Environment variables; those of the process by default. An empty one counts as not
            set.
        stage: The name of the stage; by default that in ``LOKKI_STAGE``.

    Raises:
        ConfigError: If a file cannot be read, or contains an unknown or invalid setting.
        UnknownStageError: If there is no such stage.
    """
    environ = os.environ if environ is None else environ
    stage = stage or environ.get(STAGE_VARIABLE) or None
    files = [read_toml(path) for path in (*_of_user(environ), Path(folder or "", FILE_NAME))]
    merged: dict[str, Any] = {}
    for file in files:
        _check_file(file)
        merged = deep_merge(merged, with_present_names(file.table, partial(_warn, file)))
    stages = merged.pop(STAGES, {})
    if stage is not None:
        merged = deep_merge(merged, _stage(stages, stage, files))
    config = replace(build(Config, deep_merge(merged, _of_environment(environ))), stage=stage)
    _check_state(config, files, stages)
    _check_bucket(config, files)
    _check_region(config, environ)
    return config


def deep_merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two tables: nested tables are merged, other values are replaced.

    Args:
        base: A table.
        over: The table whose values win.
    """
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            value = deep_merge(merged[key], value)
        merged[key] = value
    return merged


def _of_user(environ: Mapping[str, str]) -> list[Path]:
    """Return the path of the user's own file, if the user has a home folder."""
    try:
        home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    except RuntimeError:
        return []
    return [home / ".lokki" / FILE_NAME]


def _check_file(file: TomlFile) -> None:
    try:
        stages = file.table.get(STAGES, {})
        for key, value in file.table.items():
            is_stage = nearest(key, [STAGES]) and key not in (STAGES, *fields(Config))
            if is_stage and isinstance(value, dict):
                remedy = f"did you mean [{STAGES}.{next(iter(value), 'NAME')}]?"
                raise InvalidSetting((key,), f"there is no table [{key}]", remedy)
        check({key: value for key, value in file.table.items() if key != STAGES}, Config)
        if not isinstance(stages, dict):
            raise InvalidSetting(
                (STAGES,), f"{STAGES} is {stages!r}: expected tables [{STAGES}.NAME]"
            )
        for name, table in stages.items():
            path = (STAGES, name)
            if not _STAGE_NAME.fullmatch(name):
                message = f"the stage {name!r} is not allowed in names of AWS resources"
                raise InvalidSetting(path, message, "use letters A to Z, digits, - and _")
            if not isinstance(table, dict):
                message = f"{STAGES}.{name} is {table!r}: expected a table"
                raise InvalidSetting(
                    path, message, f"write [{STAGES}.{name}.…] on a line of its own"
                )
            check(table, Config, path)
    except InvalidSetting as invalid:
        raise ConfigError(
            f"{file.name}: {invalid.message}",
            place=file.place(invalid.path),
            remedy=invalid.remedy,
        ) from None


def _warn(file: TomlFile, path: Sequence[str], present: str) -> None:
    """Warn of an earlier name in a file, on the name's line."""
    place = file.place(path)
    message = f"{place.name} is deprecated: the name is {present}"
    warnings.warn_explicit(message, DeprecationWarning, place.file, place.line, registry=_WARNED)


def _stage(stages: Mapping[str, Any], name: str, files: list[TomlFile]) -> Mapping[str, Any]:
    if name in stages:
        table: Mapping[str, Any] = stages[name]
        return table
    known = ", ".join(stages) or "none"
    raise UnknownStageError(
        f"there is no stage {name!r}; there are: {known}",
        remedy=nearest(name, list(stages)) or f"write [{STAGES}.{name}] into {files[-1].name}",
    )


def _check_state(config: Config, files: Sequence[TomlFile], stages: Mapping[str, Any]) -> None:
    """Check that stages do not share one Terraform state in a bucket."""
    settings = config.terraform
    if settings.backend != "s3":
        return
    if not settings.bucket:
        raise ConfigError(
            'backend = "s3" in [terraform] needs a bucket',
            place=_place(files, ("terraform", "backend"), config.stage),
            remedy='add bucket = "…", the name of an existing bucket',
        )
    own = stages.get(config.stage or "", {}).get("terraform", {})
    if config.stage and settings.key and not {"bucket", "key"} & set(own):
        raise ConfigError(
            "key in [terraform] is one for all stages, so each would overwrite the others' state",
            place=_place(files, ("terraform", "key"), None),
            remedy=f"remove it, so that each stage has its own, or write key = … into "
            f"[{STAGES}.{config.stage}.terraform]",
        )


def _check_bucket(config: Config, files: Sequence[TomlFile]) -> None:
    """Check that settings of a new bucket and of an existing one are not set for the other."""
    if config.aws.artifact_bucket_kms_key and not config.aws.artifact_bucket:
        raise ConfigError(
            "artifact_bucket_kms_key in [aws] is the key of an existing bucket, and no "
            "artifact_bucket is set",
            place=_place(files, ("aws", "artifact_bucket_kms_key"), config.stage),
            remedy="set artifact_bucket, or kms_key for the bucket that the pipeline creates",
        )
    place = _place(files, ("aws", "run_data_days"), config.stage)
    if config.aws.artifact_bucket and place:
        raise ConfigError(
            "run_data_days in [aws] is for the bucket that a pipeline creates, and "
            f"artifact_bucket names an existing one: {shown(config.aws.artifact_bucket)}",
            place=place,
            remedy="remove it, and let a lifecycle rule of that bucket expire its objects",
        )


def _check_region(config: Config, environ: Mapping[str, str]) -> None:
    """Check the region of AWS's own variables, which holds where no setting names another."""
    given = [one for one in ("AWS_REGION", "AWS_DEFAULT_REGION") if environ.get(one)]
    if given and not config.aws.region:  # the first one holds
        refuse_region(environ[given[0]], f"environment variable {given[0]}: ")


def _place(files: Sequence[TomlFile], path: Sequence[str], stage: str | None) -> Place | None:
    """Return where a value is set: in the stage's table, else in the last file with it."""
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
        except InvalidSetting as invalid:
            message = f"environment variable {variable}: {invalid.message}"
            raise ConfigError(message, remedy=invalid.remedy) from None
        merged = deep_merge(merged, table)
    return merged
