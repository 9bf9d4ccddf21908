"""Packages of others, against what a step declares."""

from __future__ import annotations

import pytest

from lokki_tf.errors import Place
from lokki_tf.model import Step, StepOptions
from lokki_tf.model.requirements import requirement_name
from lokki_tf.packaging import Import
from lokki_tf.packaging.dependencies.third_party import has_distribution, missing_packages

PLACE = Place("pipeline.py", 3)


def missing(package, *, optional=False, **options):
    step = Step("f", lambda: None, StepOptions(**options), PLACE)
    return missing_packages(step, [Import(package, package, PLACE, optional)])


@pytest.mark.parametrize(
    ("requirement", "name"),
    [
        ("polars", "polars"),
        ("Polars==1.0", "polars"),
        ("pandas[parquet]>=2,<3 ; python_version > '3.9'", "pandas"),
        ("my.Package_name ~= 1", "my-package-name"),
        ("pkg @ https://example.org/pkg.zip", "pkg"),
        ("git+https://example.org/x.git#egg=Some_Thing", "some-thing"),
        ("git+https://example.org/x.git", ""),
        ("./lib", ""),
        ("wheels/my_pkg-1.0-py3-none-any.whl", "my-pkg"),
        ("my_pkg-1.0-py3-none-any.whl", "my-pkg"),
        ("my.pkg[a]@https://example.org/my_pkg-1.0-py3-none-any.whl", "my-pkg"),
        ("my.pkg @ ./my_pkg-1.0-py3-none-any.whl --hash=sha256:00", "my-pkg"),
    ],
)
def test_names_of_requirements(requirement, name):
    """The distribution is seen in every form of a requirement."""
    assert requirement_name(requirement) == name


def test_what_is_declared_is_there():
    """A requirement covers its package, whatever that is called, and what comes with it."""
    assert not missing("polars", requirements=("polars>=1",))
    assert not missing("yaml", requirements=("PyYAML",))
    assert not missing("PIL", requirements=("Pillow",))
    assert not missing("urllib3", requirements=("requests",))
    assert missing("polars", requirements=("pandas",))


@pytest.mark.parametrize(
    ("extra", "there"), [("", False), ("[email]", True), ("[timezone]", False)]
)
def test_extras_bring_their_packages(extra, there):
    """What an extra of a requirement needs is there with that extra, not without it."""
    options = StepOptions(requirements=(f"pydantic{extra}==2.*",))
    step = Step("f", lambda: None, options, PLACE)
    assert has_distribution(step, "email_validator") is there
    assert has_distribution(step, "pydantic_core")


def test_a_requirement_without_a_name_covers_nothing():
    """Where a requirement has no name, a missing package is reported all the same."""
    [finding] = missing("polars", requirements=("./lib",))
    assert "imports 'polars'" in finding.message


def test_a_layer_may_hold_anything():
    """What a layer holds cannot be seen, so it is trusted."""
    assert not missing("polars", layers=("arn:aws:lambda:layer",))


def test_what_is_missing_is_said_with_three_remedies():
    """The finding names package, step, line and the three ways out."""
    [finding] = missing("yaml")
    assert finding.rule == "package-missing"
    assert "step 'f' imports 'yaml'" in finding.message
    assert finding.place == PLACE
    for word in ("requirements=['pyyaml']", "layers=", "image"):
        assert word in finding.remedy.lower()


def test_what_the_code_can_do_without_is_a_warning():
    """An import whose failure is expected stops nothing."""
    [finding] = missing("orjson_of_nobody", optional=True)
    assert finding.severity == "warning"
