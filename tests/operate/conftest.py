"""One deployed pipeline for all tests of what comes after ``synth``."""

from __future__ import annotations

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
