"""Requirements: what no layer can be made of, and versions that are left open."""

from __future__ import annotations

from pathlib import Path

import pytest

from lokki_tf import Pipeline, step
from lokki_tf.errors import OptionError
from lokki_tf.model import Finding


def findings(*requirements: str, package: str = "zip") -> list[Finding]:
    @step(requirements=requirements, package=package)
    def work() -> None: ...

    return Pipeline("p", steps=[work()]).early_findings()


@pytest.mark.parametrize(
    "line",
    [
        "six==1.17.0",
        "six == 1.17.0",
        "Six===1.17.0",
        "six (==1.17.0)",
        "idna[all,more]==3.7 ; python_version > '3.9' and sys_platform == 'linux'",
        "attrs==25.1.0 --hash=sha256:aa --hash=sha256:bb",
        "six==1.17.0,!=1.18",
        "pkg @ https://example.com/pkg-1-py3-none-any.whl",
        "pkg@https://example.com/pkg-1-py3-none-any.whl#sha256=00 ; python_version > '3'",
    ],
)
def test_exact_requirements_pass(line: str) -> None:
    """One version, in every form of a requirement, has no finding."""
    assert findings(line) == []


@pytest.mark.parametrize(
    "line",
    ["six", "six>=1.16", "six>1,<2", "six==1.*", "six~=1.16", "six[all] ; os_name > 'a'"],
)
def test_open_versions_are_a_warning(line: str) -> None:
    """The warning names the package and both ways out, and stops nothing."""
    [finding] = findings("idna==3.7", line)
    assert finding.severity == "warning"
    assert "does not pin the version of six:" in finding.message
    assert "==" in (finding.remedy or "")
    assert "requirements.lock" in (finding.remedy or "")
    assert finding.place


@pytest.mark.parametrize(
    "line",
    [
        "",
        "six 1.17",
        "git+https://example.com/mine.git",
        "mine @ git+https://example.com/mine.git",
        "mine @ https://example.com/mine-1.tar.gz",
    ],
)
def test_what_is_no_requirement_elsewhere_is_an_error(line: str) -> None:
    """Repositories and source distributions are refused when the pipeline is made."""
    with pytest.raises(OptionError, match="has the requirement") as info:
        findings("idna==3.7", line)
    assert info.value.place
    assert "polars==1.2.3" in (info.value.remedy or "")


def test_a_file_of_a_wheel_is_for_layers_only(tmp_path: Path) -> None:
    """An image is built elsewhere, where the file of a wheel is not."""
    wheel = tmp_path / "mine-1-py3-none-any.whl"
    wheel.write_bytes(b"")
    assert findings(str(wheel)) == []
    with pytest.raises(OptionError, match="is a file, which builds of images cannot read"):
        findings(str(wheel), package="image")


def test_a_set_has_one_warning() -> None:
    """Steps that share a layer do not all say the same."""

    @step(requirements=["six", "idna"])
    def one() -> None: ...

    @step(requirements=["idna", "six"])
    def two() -> None: ...

    [finding] = Pipeline("p", steps=[one(), two()]).early_findings()
    assert "step 'one' does not pin the version of idna, six" in finding.message


def test_the_layer_of_the_requirements_counts() -> None:
    """Five layers and one of requirements are more than Lambda takes."""
    arn = "arn:aws:lambda:us-east-2:123456789012:layer:example-layer:"

    @step(layers=[f"{arn}{number}" for number in range(1, 6)], requirements=["six==1.17.0"])
    def work() -> None: ...

    with pytest.raises(OptionError, match=r"5 layers and one of its requirements; .* allows 5"):
        Pipeline("p", steps=[work()])
