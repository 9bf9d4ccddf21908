"""One deployed pipeline for the tests of Terraform, and one without it for those of runs."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest
from operate_folder import SQUARES, Folder, settings_for

from lokki_tf.testing import LocalAws


@pytest.fixture(scope="session")
def squares(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A pipeline, deployed by its own command with the question answered."""
    folder = Folder(tmp_path_factory.mktemp("squares"), SQUARES, settings_for(local_aws))
    folder.stack("squares")
    folder.deployment = folder.answer("y", "deploy")
    return folder


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    """The same pipeline in an account of its own, registered there without Terraform."""
    with LocalAws(retry_delay_scale=0.0) as aws:
        folder = Folder(tmp_path_factory.mktemp("standing"), SQUARES, settings_for(aws))
        spec = importlib.util.spec_from_file_location("standing_pipeline", folder.script)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        aws.register(module.squares)
        yield folder
