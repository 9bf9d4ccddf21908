"""One local AWS for all tests, and ways to run a pipeline on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from deployment import Deployment


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """The local AWS, which does not wait before it retries."""
    with LocalAws(retry_delay_scale=0.0) as aws:
        yield aws


@pytest.fixture(scope="session")
def layer_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of layers for all tests, so that each set is resolved once and never the user's."""
    folder = tmp_path_factory.mktemp("layers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKKI_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def deployment(local_aws: LocalAws) -> Deployment:
    """Runs compiled machines with the generated code, without Terraform in between."""
    from deployment import Deployment

    return Deployment(local_aws)
