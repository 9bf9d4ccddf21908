"""Requirements that refer to the user's own projects, wheels and other sources."""

from __future__ import annotations

import hashlib
import textwrap
from pathlib import Path

import pytest

from lokki_tf import step
from lokki_tf.authoring.markers import both, negated, parsed, suffix
from lokki_tf.authoring.requirements import requirements_in, requirements_of
from lokki_tf.errors import OptionError, Place

WHEEL = "my_pkg-1.0-py3-none-any.whl"
HASH = f" --hash=sha256:{hashlib.sha256(b'wheel').hexdigest()}"
LIB = """
[project]
name = "Lib.One"
dependencies = ["six>=1.16", "idna; python_version >= '3.10'"]
[project.optional-dependencies]
Fast_IO = ["orjson", "lib-one[tables]"]
tables = ["tabulate"]
[dependency-groups]
dev = ["pytest"]
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A step in a file whose folder also contains a project, a wheel and other things."""
    folder = tmp_path / "app"
    write(folder, "pipeline.py", "")
    write(folder, "lib/pyproject.toml", LIB)
    write(folder, f"wheels/{WHEEL}", "wheel")
    write(folder, "wheels/my_pkg-1.0.tar.gz", "")
    write(folder, "modules/code.py", "")
    write(folder, "old/setup.py", "")
    return Place(str(folder / "pipeline.py"), 3)


def write(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text))


def project(place: Place, dependencies: str, more: str = "", name: str = "") -> tuple[str, ...]:
    """Return the requirements of a project with some dependencies and more tables."""
    table = f"[project]\nname = 'app'\ndependencies = [{dependencies}]\n"
    write(Path(place.file).parent, f"{name}pyproject.toml", table + more)
    return requirements_in(f"{name}pyproject.toml", place)


@pytest.mark.parametrize(
    "source",
    ["{ path = 'lib' }", "{ path = './lib', editable = true }", "{ path = '../app/lib' }"],
)
@pytest.mark.parametrize("name", ["lib-one", "LIB_ONE"])
def test_a_project_of_the_users_is_replaced_by_what_it_needs(
    place: Place, source: str, name: str
) -> None:
    """A project's own name is never looked up in an index, in any spelling."""
    found = project(place, f"'{name}>=2', 'attrs'", f"[tool.uv.sources]\nlib-one = {source}\n")
    assert found == ("six>=1.16", "idna; python_version >= '3.10'", "attrs")


def test_extras_and_markers_apply_to_what_a_project_needs(place: Place) -> None:
    """An extra adds its dependencies, also recursively; markers are combined."""
    sources = "[tool.uv.sources]\nlib-one = { path = 'lib' }\n"
    found = project(place, "\"lib-one[fast.io] ; python_version < '3.13'\"", sources)
    assert found == (
        "six>=1.16 ; python_version < '3.13'",
        "idna ; python_version < '3.13' and python_version >= '3.10'",
        "orjson ; python_version < '3.13'",
        "tabulate ; python_version < '3.13'",
    )
    with pytest.raises(OptionError, match="no extra 'slow'") as info:
        project(place, "'lib-one[slow]'", sources)
    assert "fast-io, tables" in (info.value.remedy or "")


def test_members_of_a_workspace_are_replaced_by_what_they_need(place: Place) -> None:
    """Members of members are replaced, even in a cycle, with sources of the workspace's root."""
    folder = Path(place.file).parent
    write(
        folder,
        "packages/a/pyproject.toml",
        """
        [project]
        name = "a"
        dependencies = ["b", "my-pkg", "attrs"]
        [tool.uv.sources]
        b = { workspace = true }
        """,
    )
    write(
        folder,
        "packages/b/pyproject.toml",
        "[project]\nname = 'b'\ndependencies = ['a', 'tomli']\n",
    )
    found = project(
        place,
        "'a', 'polars==1.2.3'",
        f"""
[tool.uv]
dev-dependencies = ["pytest"]
[tool.uv.workspace]
members = ["packages/*"]
[tool.uv.sources]
a = {{ workspace = true }}
my-pkg = {{ path = "wheels/{WHEEL}" }}
pytest = {{ git = "https://example.com/pytest" }}
""",
    )
    assert found == ("tomli", f"my-pkg @ ./wheels/{WHEEL}{HASH}", "attrs", "polars==1.2.3")


def test_wheels_are_requirements_with_their_hashes(place: Place) -> None:
    """A wheel's path is relative to the step's file, on any computer; a URL is kept."""
    sources = f"""
[tool.uv.sources]
my-pkg = {{ path = "wheels/{WHEEL}" }}
other = {{ url = "https://example.com/other-1-py3-none-any.whl" }}
"""
    assert project(place, "'my-pkg[x]>=1', 'other'", sources) == (
        f"my-pkg[x] @ ./wheels/{WHEEL}{HASH}",
        "other @ https://example.com/other-1-py3-none-any.whl",
    )
    sources = sources.replace("wheels/", "../wheels/")
    found = project(place, "'my-pkg'", sources, "sub/")
    assert found == (f"my-pkg @ ./wheels/{WHEEL}{HASH}",)


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("{ git = 'https://example.com/x', rev = 'a' }", "publish a wheel"),
        ("{ index = 'mine' }", "url of its wheel"),
        ("{ url = 'https://example.com/x-1.tar.gz' }", "list the packages"),
        ("{ workspace = true }", "members of [tool.uv.workspace]"),
        ("{ svn = 'x' }", "list the packages"),
        ("[{ git = 'x', marker = \"sys_platform == 'linux'\" }]", "publish a wheel"),
        ("[{ index = 'mine', marker = \"python_version > '3.12'\" }]", "url of its wheel"),
    ],
)
def test_other_sources_are_errors(place: Place, source: str, remedy: str) -> None:
    """The error contains the dependency, its source, the file and the remedy; no index is used."""
    with pytest.raises(OptionError, match=r"the dependency 'My\.X' has the source") as info:
        project(place, "'My.X'", f"[tool.uv.sources]\nmy-x = {source}\n")
    assert str(Path(place.file).with_name("pyproject.toml")) in info.value.message
    assert info.value.place == place
    assert remedy in (info.value.remedy or "")


def test_sources_for_other_machines_extras_and_groups_do_not_count(place: Place) -> None:
    """Only sources that apply to Lambda are read; other dependencies come from an index."""
    found = project(
        place,
        "'a', 'b', 'c', \"d; sys_platform == 'win32'\"",
        """
[tool.uv.sources]
a = [
    { git = "https://example.com/a", marker = "sys_platform == 'darwin'" },
    { path = "lib", marker = "platform_machine == 'aarch64' or platform_system == 'Windows'" },
]
b = { git = "https://example.com/b", group = "dev" }
c = { git = "https://example.com/c", extra = "gpu" }
d = { git = "https://example.com/d" }
""",
    )
    assert found == (
        "six>=1.16 ; platform_machine == 'aarch64'",
        "idna ; platform_machine == 'aarch64' and python_version >= '3.10'",
        "a ; platform_machine != 'aarch64'",
        "b",
        "c",
    )


def test_dynamic_dependencies_are_read_from_files_or_refused(place: Place) -> None:
    """Dynamic dependencies of setuptools are read from its files; others are errors."""
    folder = Path(place.file).parent
    write(folder, "needs.txt", "six\n./lib\n")
    write(
        folder,
        "pyproject.toml",
        """
        [project]
        name = "app"
        dynamic = ["dependencies"]
        [tool.setuptools.dynamic]
        dependencies = { file = ["needs.txt"] }
        """,
    )
    found = ("six", "six>=1.16", "idna; python_version >= '3.10'")
    assert requirements_in("pyproject.toml", place) == found
    write(folder, "pyproject.toml", "[project]\nname = 'app'\ndynamic = ['dependencies']\n")
    with pytest.raises(OptionError, match="are dynamic") as info:
        requirements_in("pyproject.toml", place)
    assert "uv.lock" in (info.value.remedy or "")


@pytest.mark.parametrize(
    "line",
    [
        "./lib", "lib/", "-e ./lib", "--editable=./lib", "file:lib", "file:./lib", "file://ABS/lib",
        "ABS/lib", "../app/lib", "lib-one @ file:lib", "lib-one @ file://ABS/lib#egg=x",
    ],
)  # fmt: skip
def test_paths_in_lists_and_files_are_the_users_projects(place: Place, line: str) -> None:
    """A folder is replaced by its dependencies, in every notation of pip and uv."""
    folder = Path(place.file).parent
    line = line.replace("ABS", str(folder))
    wanted = ("six>=1.16", "idna; python_version >= '3.10'")
    assert requirements_of([line, "six>=1.16"], place) == wanted
    write(folder, "requirements.txt", f"{line}  # mine\n")
    assert requirements_in("requirements.txt", place) == wanted
    assert requirements_of(["-r requirements.txt"], place) == wanted


def test_a_list_with_a_wheel_and_extras(place: Place) -> None:
    """A wheel's name comes from its file name; a path may have extras and a marker."""
    assert requirements_of(
        [f"./wheels/{WHEEL}", "./lib[tables] ; python_version > '3.11'"], place
    ) == (
        f"my_pkg @ ./wheels/{WHEEL}{HASH}",
        "six>=1.16 ; python_version > '3.11'",
        "idna ; python_version > '3.11' and python_version >= '3.10'",
        "tabulate ; python_version > '3.11'",
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("./nothing", "which does not exist"),
        ("~/lib", "which does not exist"),
        ("./wheels/my_pkg-1.0.tar.gz", "is neither a wheel nor a project's folder"),
        ("./modules", "has no pyproject.toml"),
        ("./old", "has no pyproject.toml"),
        ("requirements.txt", "is a file of requirements"),
        ("uv.lock", "is a file of requirements"),
        ("six ; python", "the marker 'python' cannot be read"),
    ],
)
def test_paths_that_are_no_requirement_are_errors(place: Place, line: str, says: str) -> None:
    """The error has the step's source location and a remedy, when the step is defined."""
    with pytest.raises(OptionError, match=says) as info:
        requirements_of([line], place)
    assert info.value.place == place
    assert info.value.remedy
    with pytest.raises(OptionError, match="does not exist"):

        @step(requirements=["./no-such-folder"])
        def work() -> None: ...


def test_a_lock_has_hashes_of_other_indexes_and_wheels(place: Place) -> None:
    """Packages of a private index are pinned by hashes; a wheel's file is found."""
    write(
        Path(place.file).parent,
        "uv.lock",
        f"""
        [[package]]
        name = "mine"
        version = "1"
        source = {{ virtual = "." }}
        dependencies = [{{ name = "my-pkg" }}, {{ name = "private" }}, {{ name = "six" }}]
        [[package]]
        name = "my-pkg"
        version = "1.0"
        source = {{ path = "wheels/{WHEEL}" }}
        [[package]]
        name = "private"
        version = "2"
        source = {{ registry = "https://example.com/simple" }}
        sdist = {{ url = "https://example.com/private-2.tar.gz", hash = "sha256:bb" }}
        wheels = [{{ url = "https://example.com/private-2.whl", hash = "sha256:aa" }}]
        [[package]]
        name = "six"
        version = "1.17.0"
        source = {{ registry = "https://pypi.org/simple" }}
        wheels = [{{ url = "https://example.com/six-1.17.0.whl", hash = "sha256:cc" }}]
        """,
    )
    assert requirements_in("uv.lock", place) == (
        f"my-pkg @ ./wheels/{WHEEL}{HASH}",
        "private==2 --hash=sha256:aa --hash=sha256:bb",
        "six==1.17.0",
    )


@pytest.mark.parametrize(
    ("marker", "holds", "opposite"),
    [
        ("sys_platform == 'linux'", True, False),
        ("'win' in sys_platform", False, True),
        ("os_name not in 'nt java' and platform_system != 'Darwin'", True, False),
        ("sys_platform == 'linux' and extra == 'x'", "extra == 'x'", "extra != 'x'"),
        (
            "python_version < '3.9' or (os_name == 'posix' and python_full_version > '3.12')",
            "python_version < '3.9' or python_full_version > '3.12'",
            "python_version >= '3.9' and python_full_version <= '3.12'",
        ),
    ],
)
def test_markers_are_simplified_for_lambda(
    marker: str, holds: str | bool, opposite: str | bool
) -> None:
    """A marker that is equal in every Lambda becomes True or False, as does its negation."""

    def text(marker: object) -> object:
        return marker if isinstance(marker, bool) else suffix(marker)[3:]  # type: ignore[arg-type]

    assert text(parsed(marker)) == holds
    assert text(negated(parsed(marker))) == opposite
    assert both(parsed(marker), negated(parsed("True"))) is False
    assert suffix(parsed("python_version ~= '3.9'")) == " ; python_version ~= '3.9'"
