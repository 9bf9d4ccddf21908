"""Requirements in a user's file."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from lokki_tf import step
from lokki_tf.authoring.requirements import requirements_in
from lokki_tf.errors import OptionError, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a step in a file in a new folder."""
    (tmp_path / "pipeline.py").write_text("")
    return Place(str(tmp_path / "pipeline.py"), 3)


def write(place: Place, name: str, text: str) -> str:
    file = Path(place.file).parent / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    return name


def test_lines_of_a_file(place: Place) -> None:
    """Comments, blank lines, other files, continued lines and hashes are read, lokki_tf is not."""
    write(place, "more/base.txt", "tomli==2.2.1\n-r ../requirements.txt\n")
    name = write(
        place,
        "requirements.txt",
        """\
        # what the steps need
        six == 1.17.0   # old

        idna[all]>=3 ; python_version > '3.9'
        lokki-tf[terraform]>=0.1
        lokki-tf-friends==1
        pkg @ https://example.com/pkg-1-py3-none-any.whl#sha256=00
        attrs==25.1.0 \\
            --hash=sha256:aa \\
            --hash=sha256:bb
        -r more/base.txt
        """,
    )
    assert requirements_in(name, place) == (
        "six == 1.17.0",
        "idna[all]>=3 ; python_version > '3.9'",
        "lokki-tf-friends==1",
        "pkg @ https://example.com/pkg-1-py3-none-any.whl#sha256=00",
        "attrs==25.1.0 --hash=sha256:aa --hash=sha256:bb",
        "tomli==2.2.1",
    )


@pytest.mark.parametrize("line", ["--index-url https://example.com/simple", "-c limits.txt"])
def test_settings_of_an_installer_are_refused(place: Place, line: str) -> None:
    """Options of pip are not requirements; the error contains file and line."""
    name = write(place, "requirements.txt", f"six\n{line}\n")
    with pytest.raises(OptionError, match="setting of the installer") as info:
        requirements_in(name, place)
    assert info.value.place == Place(str(Path(place.file).with_name(name)), 2)
    assert "UV_INDEX" in (info.value.remedy or "")


def test_a_project_gives_its_dependencies(place: Place) -> None:
    """The dependencies of pyproject.toml are used unchanged."""
    name = write(
        place,
        "pyproject.toml",
        """\
        [project]
        name = "mine"
        dependencies = ["six>=1.16", "lokki_tf", "numpy; python_version<'3.14'"]
        """,
    )
    assert requirements_in(Path(name), place) == ("six>=1.16", "numpy; python_version<'3.14'")


LOCK = """\
version = 1
[[package]]
name = "click"
version = "8.1.8"
source = { registry = "https://example.com/simple" }
dependencies = [{ name = "colorama", marker = "sys_platform == 'win32'" }]
[[package]]
name = "colorama"
version = "0.4.6"
source = { registry = "https://example.com/simple" }
[[package]]
name = "iniconfig"
version = "2.0.0"
source = { registry = "https://example.com/simple" }
[[package]]
name = "lokki-tf"
version = "0.1.0"
source = { registry = "https://example.com/simple" }
dependencies = [{ name = "rich" }]
[[package]]
name = "member"
version = "0.1"
source = { editable = "member" }
dependencies = [{ name = "tomli", marker = "python_full_version < '3.11'" }]
[[package]]
name = "mine"
version = "0.1"
source = { virtual = "." }
dependencies = [
    { name = "click", marker = "python_full_version >= '3.10'" },
    { name = "lokki-tf", extra = ["terraform"] },
    { name = "member" },
    { name = "numpy", version = "1.26.4", marker = "python_full_version < '3.12'" },
    { name = "numpy", version = "2.2.0", marker = "python_full_version >= '3.12'" },
    { name = "requests", extra = ["socks"] },
    { name = "wheel-of-mine" },
]
[package.dev-dependencies]
dev = [{ name = "iniconfig" }]
[[package]]
name = "numpy"
version = "1.26.4"
source = { registry = "https://example.com/simple" }
[[package]]
name = "numpy"
version = "2.2.0"
source = { registry = "https://example.com/simple" }
[[package]]
name = "pysocks"
version = "1.7.1"
source = { registry = "https://example.com/simple" }
dependencies = [
    { name = "requests", marker = "sys_platform == 'linux'" },
    { name = "colorama", marker = "os_name == 'nt'" },
]
[[package]]
name = "requests"
version = "2.32.3"
source = { registry = "https://example.com/simple" }
[package.optional-dependencies]
socks = [{ name = "pysocks" }]
[[package]]
name = "rich"
version = "13.0"
source = { registry = "https://example.com/simple" }
[[package]]
name = "tomli"
version = "2.2.1"
source = { registry = "https://example.com/simple" }
[[package]]
name = "wheel-of-mine"
version = "1"
source = { url = "https://example.com/wheel_of_mine-1-py3-none-any.whl" }
"""


def test_a_lock_gives_exact_versions_and_conditions(place: Place) -> None:
    """A lock gives all packages of the project, extras included, without groups and members."""
    assert requirements_in(write(place, "uv.lock", LOCK), place) == (
        "click==8.1.8 ; (python_full_version >= '3.10')",
        "colorama==0.4.6 ; (os_name == 'nt') or "
        "(python_full_version >= '3.10') and (sys_platform == 'win32')",
        "numpy==1.26.4 ; (python_full_version < '3.12')",
        "numpy==2.2.0 ; (python_full_version >= '3.12')",
        "pysocks==1.7.1",
        "requests==2.32.3",
        "tomli==2.2.1 ; (python_full_version < '3.11')",
        "wheel-of-mine @ https://example.com/wheel_of_mine-1-py3-none-any.whl",
    )


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("none.txt", None, "cannot be read: No such file"),
        ("polars", None, "cannot be read: No such file"),
        ("pyproject.toml", "[tool]\n", r"no dependencies in its table \[project\]"),
        ("pyproject.toml", "[project\n", "is not valid TOML"),
        ("uv.lock", "version = 1\n", "locks no project"),
    ],
)
def test_an_unusable_file_is_an_error(place: Place, name: str, text: str | None, says: str) -> None:
    """The error contains the file as written, the step's source location and a remedy."""
    if text is not None:
        write(place, name, text)
    with pytest.raises(OptionError, match=f"requirements='{name}'.*{says}") as info:
        requirements_in(name, place)
    assert info.value.place == place
    assert info.value.remedy


def test_paths_start_at_the_steps_file_or_at_a_notebooks_folder(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths are relative to the script's file, or for a cell to the working directory."""
    write(place, "requirements.txt", "six\n")
    monkeypatch.chdir("/")
    assert requirements_in("requirements.txt", place) == ("six",)
    monkeypatch.chdir(tmp_path)
    assert requirements_in("requirements.txt", Place("<ipython-input-1>", 1)) == ("six",)


def test_the_step_holds_plain_lines(tmp_path: Path) -> None:
    """In every case the model has a tuple of lines, read when the step is defined."""
    file = tmp_path / "requirements.txt"
    file.write_text("six\n")

    def options(requirements: Any) -> tuple[str, ...]:
        @step(requirements=requirements)
        def work() -> None: ...

        return work.step.options.requirements

    assert options(file) == options(str(file)) == options(["six"]) == ("six",)
    file.unlink()
    with pytest.raises(OptionError, match="cannot be read"):
        options(file)
    with pytest.raises(OptionError, match="must contain strings, got 7"):
        options(["six", 7])
