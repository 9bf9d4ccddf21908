"""One local AWS for all tests, and ways to run a pipeline on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deployment import Deployment


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """The local AWS, which does not wait before it retries."""
    with LocalAws(retry_delay_scale=0.0) as aws:
        yield aws


@pytest.fixture(scope="session")
def deployment(local_aws: LocalAws) -> Deployment:
    """Runs compiled machines with the generated code, without Terraform in between."""
    from deployment import Deployment

    return Deployment(local_aws)
