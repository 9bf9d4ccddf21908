"""One local AWS for all tests, and ways to run a pipeline on it."""

from __future__ import annotations

import gc
import os
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from requirements_of_tests import MARKS, marked, require, summary

from lokki_tf.errors import MissingToolError
from lokki_tf.terraform_cli import find_program, find_provider
from lokki_tf.testing import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from applied import Applied
    from deployment import Deployment

settings.register_profile("patient", deadline=None)  # a busy computer must not fail tests
settings.load_profile("patient")

_APPLIED = {
    "applied: random pipelines": ("agreement/test_deployed", "agreement/test_included_routes"),
    "applied: examples": (
        *("agreement/test_examples", "agreement/test_packages", "agreement/test_secrets"),
        *("seeds/test_lokki_batch", "seeds/test_orchwipy_deployed"),
    ),
    "applied: references and routes": (
        *("terraform/test_terraform_refs", "terraform/test_started_refs"),
        *("terraform/test_triggers", "agreement/test_routed_nodes"),
    ),
    "applied: settings": (
        *("terraform/test_account", "terraform/test_alarms", "terraform/test_images"),
        *("terraform/test_roles", "terraform/test_settings", "terraform/test_stages"),
    ),
}
"""Modules whose tests share what one ``terraform apply`` creates, and so one worker."""
_GROUPS = {f"tests/{name}.py": group for group, names in _APPLIED.items() for name in names}
_SLOWEST = (
    *_APPLIED,
    "tests/operate/test_deploying.py",
    "containers",
    "tests/testing/test_batch_terraform.py",
    *("tests/agreement/test_random.py", "tests/agreement/test_least_privilege.py"),
    *("tests/test_pages.py", "tests/terraform/test_upgrades.py"),
)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks of requirements; let Terraform find its provider as deployments do."""
    for mark, text in MARKS.items():
        config.addinivalue_line("markers", f"{mark}: {text}")
    # Terraform and its provider collect garbage for a third of their time, most of it schemas. For
    # all stacks together they need 2 GB; near the limit they would do little else.
    os.environ.setdefault("GOGC", "off")
    os.environ.setdefault("GOMEMLIMIT", "4GiB")
    # CDKTF unpacks 400 MB there, which users do once, and tests with a HOME of their own each time.
    cache = Path("~/.cache/aws/jsii/package-cache").expanduser()
    os.environ.setdefault("JSII_RUNTIME_PACKAGE_CACHE_ROOT", str(cache))
    with suppress(MissingToolError):
        source = find_provider(find_program())
        os.environ.update(source.environment(Path(mkdtemp(prefix="lokki_tf-"))))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose requirements this computer lacks."""
    require(item)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """End with what was left out, why, and how to enable it."""
    for line in summary(terminalreporter.stats):
        terminalreporter.write_line(line, yellow=True)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each worker whole modules, whose fixtures are then made once, as without workers.

    ``--dist loadfile`` would do that for single modules. Those of a group in ``_APPLIED`` share one
    apply of Terraform, which each worker would repeat. (xdist's own groups are lost on pytest 9,
    which keeps a test's id elsewhere.)
    """
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    config.option.loadscopereorder = False  # the slowest first, and not the longest
    return Groups(config, log)


def pytest_collection() -> None:
    """Do not look for garbage while tests are collected."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Do not look for garbage among the tests and modules that were collected."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what Terraform waits longest in."""
    marked(items)
    apart = [
        one for one in items if "applied" in _fixtures(one) and _group(one.nodeid) not in _APPLIED
    ]
    assert not apart, f"not in _APPLIED: {apart}"
    turns = {group: turn for turn, group in enumerate(_SLOWEST)}
    items.sort(key=lambda item: turns.get(_group(item.nodeid), len(turns)))


def _fixtures(item: pytest.Item) -> Collection[str]:
    names: Collection[str] = getattr(item, "fixturenames", ())
    return names


def _group(nodeid: str) -> str:
    """Return a test's module, or the group of modules that share an account or images."""
    module = nodeid.partition("::")[0]
    if module in _GROUPS:
        return _GROUPS[module]
    in_containers = (
        module.startswith("tests/images/") or module == "tests/testing/test_containers.py"
    )
    return "containers" if in_containers else module


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """The local AWS, which does not wait before it retries."""
    with LocalAws(retry_delay_scale=0.0) as aws:
        yield aws


@pytest.fixture(scope="module")
def applied(request: pytest.FixtureRequest, apply: Callable[[str], Applied]) -> Applied:
    """The stacks that the modules of this one's group have registered, applied at once."""
    return apply(_group(request.node.nodeid))


@pytest.fixture(scope="session")
def apply(
    layer_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Applied]]:
    """Applies the stacks of a group, and destroys those of the group before it."""
    from applied import applied_stacks

    with ExitStack() as last:

        @cache
        def apply(group: str) -> Applied:
            last.close()
            modules = [Path(__file__).parent / f"{name}.py" for name in _APPLIED[group]]
            return last.enter_context(applied_stacks(modules, tmp_path_factory.mktemp("group")))

        yield apply


@pytest.fixture(scope="session")
def layer_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of layers for all tests, so that each set is resolved once and never the user's."""
    folder = tmp_path_factory.mktemp("layers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKKI_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    """Runs pipelines without Terraform, in an account of their own."""
    from deployment import Deployment

    with LocalAws(retry_delay_scale=0.0, wait_scale=1e-6) as aws:
        yield Deployment(aws)
        # AWS reports no denial of logs and traces: here it is one.
        assert [one for one in aws.iam_decisions if not one.allowed] == []
