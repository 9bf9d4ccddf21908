"""One local AWS for all tests, and ways to run a pipeline on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deployment import Deployment


_TOGETHER = {
    "images": "containers",
    "testing/test_containers.py": "containers",
    "operate": "operate",
}
"""Tests that share one engine's images or one deployed pipeline, and so one worker."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each worker whole modules, those first in which Terraform waits longest.

    A module's fixtures are then made once, as without workers.
    """
    for item in items:
        place = item.path.relative_to(Path(__file__).parent)
        group = _TOGETHER.get(place.as_posix(), _TOGETHER.get(place.parts[0], place.as_posix()))
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    waits = ("operate", "containers", "testing/test_batch_terraform.py")
    mark = item.get_closest_marker("xdist_group")
    return waits.index(mark.args[0]) if mark and mark.args[0] in waits else len(waits)


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
