"""The pytest plugin: a fixture that is a local AWS for the whole session.

It is outside the package, because pytest imports it in every run: no module of lokki_tf is imported
before a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lokki_tf.testing.local_aws import LocalAws


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """A local AWS that runs until the session ends; retries do not wait."""
    from lokki_tf.testing.local_aws import LocalAws

    with LocalAws(retry_delay_scale=0.0) as aws:
        yield aws
