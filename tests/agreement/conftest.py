"""An account for modules whose pipelines wait, are answered or contain each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    """A local AWS without delays, in which no request may be denied."""
    with LocalAws(retry_delay_scale=0.0, wait_scale=0.001) as account:
        yield account
        assert [one for one in account.iam_decisions if not one.allowed] == []
