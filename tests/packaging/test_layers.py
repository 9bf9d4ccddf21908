"""Declared packages as layers: for Lambda, never for this computer; always the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fake_uv import FakeUv

from lokki_tf.authoring.requirements import requirements_of
from lokki_tf.errors import (
    LimitError,
    LokkiError,
    MissingToolError,
    OptionError,
    OutputError,
    Place,
)
from lokki_tf.model import PackageSet, Step, StepOptions, package_sets
from lokki_tf.packaging import Layer, LayerBuilder, check_size, layer_path
from lokki_tf.packaging.dependencies.uv import platform

STEP = Step("score", lambda: None, StepOptions(), Place("pipeline.py", 7))
LIMIT = 250 * 1_048_576


def wanted(*lines: str, runtime: str = "python3.13", architecture: str = "x86_64") -> PackageSet:
    return PackageSet(tuple(sorted(lines)), runtime, architecture)


def built(*lines: str, runtime: str = "python3.13", **options: Any) -> Layer:
    return LayerBuilder(**options).build(wanted(*lines, runtime=runtime), STEP)


def names(layer: Layer) -> list[str]:
    with zipfile.ZipFile(layer.zip) as archive:
        return archive.namelist()


def versions(layer: Layer) -> list[str]:
    lines = layer.lock.splitlines()
    return [line.removesuffix(" \\") for line in lines if "==" in line and line[0] not in "# "]


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_layer_holds_what_a_set_needs(layer_cache: Path, tmp_path: Path) -> None:
    """Packages are in python/, as Lambda requires, importable and with locked versions."""
    layer = built("six==1.17.0", "idna", "attrs>=22", "tomli==2.2.1")
    zipfile.ZipFile(layer.zip).extractall(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'python')!r});"
        "import six, idna, attr, tomli;"
        "from importlib.metadata import version; print(six.__version__, version('tomli'))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1.17.0", "2.2.1"]
    assert [line.partition("==")[0] for line in versions(layer)] == [
        "attrs",
        "idna",
        "six",
        "tomli",
    ]
    assert "six==1.17.0" in versions(layer)
    assert "--hash=sha256:" in layer.lock
    assert layer.sizes["six 1.17.0"] > 30_000


@pytest.mark.parametrize(
    ("runtime", "architecture", "library", "machine"),
    [
        ("python3.13", "x86_64", "cpython-313-x86_64-linux-gnu.so", 0x3E),
        ("python3.13", "arm64", "cpython-313-aarch64-linux-gnu.so", 0xB7),
        ("python3.11", "x86_64", "cpython-311-x86_64-linux-gnu.so", 0x3E),
    ],
)
def test_binaries_are_lambdas_and_not_this_machines(
    layer_cache: Path, runtime: str, architecture: str, library: str, machine: int
) -> None:
    """The shared library is for the step's Python and processor, not for those of synth."""
    packages = wanted("markupsafe==3.0.2", runtime=runtime, architecture=architecture)
    layer = LayerBuilder().build(packages, STEP)
    [name] = [name for name in names(layer) if name.endswith(".so")]
    assert name == f"python/markupsafe/_speedups.{library}"
    with zipfile.ZipFile(layer.zip) as archive:
        assert archive.read(name)[18] == machine  # ELF's field for it
        assert archive.getinfo(name).external_attr >> 16 == 0o100755


@pytest.mark.parametrize(
    ("runtime", "libc"),
    [
        ("python3.9", "manylinux2014"),
        ("python3.11", "manylinux2014"),
        ("python3.12", "manylinux_2_34"),
        ("python3.13", "manylinux_2_34"),
    ],
)
def test_the_platform_is_the_newest_that_the_runtime_accepts(runtime: str, libc: str) -> None:
    """Amazon Linux 2 has glibc 2.26, Amazon Linux 2023 has 2.34."""
    assert platform(wanted("six", runtime=runtime)) == f"x86_64-{libc}"
    packages = wanted("six", runtime=runtime, architecture="arm64")
    assert platform(packages) == f"aarch64-{libc}"


def test_the_same_bytes_in_any_folder(layer_cache: Path, tmp_path: Path) -> None:
    """Two builds far apart, under other masks, give the same zip, and nothing of this computer."""
    layers = []
    for number, mask in enumerate((0o022, 0o077)):
        before = os.umask(mask)
        try:
            layers.append(built("tabulate==0.9.0", cache=tmp_path / (f"{number}" * 9)))
        finally:
            os.umask(before)
    assert layers[0].zip.read_bytes() == layers[1].zip.read_bytes()
    assert layers[0].lock == layers[1].lock
    assert layers[0].content == layers[1].content
    with zipfile.ZipFile(layers[0].zip) as archive:
        entries = archive.infolist()
        assert [entry.filename for entry in entries] == sorted(archive.namelist())
        assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in entries} <= {0o100644, 0o100755}
        for entry in entries:
            data = archive.read(entry)
            assert str(tmp_path).encode() not in data
            assert sys.executable.encode() not in data
            assert "__pycache__" not in entry.filename
            assert not entry.filename.endswith(("RECORD", "INSTALLER", "direct_url.json"))
            assert not entry.filename.startswith("python/bin/")


def test_a_set_is_its_lines_and_its_lambda() -> None:
    """Order and blanks do not matter; runtime and architecture do."""

    def keys(*options: dict[str, Any]) -> list[str]:
        steps = [Step("s", lambda: None, StepOptions(**each), STEP.place) for each in options]
        return [packages.key for packages in package_sets(steps)]

    assert len(keys({"requirements": ("a", "b>=1")}, {"requirements": ("b>=1 ", "a", "a")})) == 1
    assert (
        len(set(keys(*({"requirements": ("a",), "architecture": x} for x in ("arm64", "x86_64")))))
        == 2
    )
    assert len(set(keys(*({"requirements": ("a",), "python_runtime": x} for x in "xy")))) == 2
    assert keys({}) == []


def test_what_is_in_the_cache_needs_no_uv(tmp_path: Path) -> None:
    """The second build of the same requirements calls no program and gives the same zip."""
    fake, told = FakeUv(tmp_path), []
    options = {"uv": fake.path, "cache": tmp_path / "cache", "on_packages": told.append}
    first = built("fake", **options)
    assert [call for call, _ in fake.calls] == ["compile", "install"]
    assert told == [first.packages]
    assert built("fake", **options) == first
    assert len(fake.calls) == 2
    assert len(told) == 1


def test_upgrading_resolves_anew_and_keeps_what_is_the_same(tmp_path: Path) -> None:
    """Resolved to the same versions as before, nothing is installed again."""
    fake = FakeUv(tmp_path)
    first = built("fake", uv=fake.path, cache=tmp_path / "cache")
    again = built("fake", uv=fake.path, cache=tmp_path / "cache", upgrade=True)
    assert again == first
    assert [call for call, _ in fake.calls] == ["compile", "install", "compile"]


def test_other_settings_of_uv_are_another_resolution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package of one index is never taken for that of the same name in another."""
    fake = FakeUv(tmp_path)
    built("fake", uv=fake.path, cache=tmp_path / "cache")
    monkeypatch.setenv("UV_INDEX", "https://packages.example.com/simple")
    built("fake", uv=fake.path, cache=tmp_path / "cache")
    assert [call for call, _ in fake.calls] == ["compile", "install", "compile"]
    project = tmp_path / "project"
    project.mkdir()
    (project / "pipeline.py").write_text("")
    (project / "pyproject.toml").write_text("[tool.uv]\nexclude-newer = '2024-01-01T00:00:00Z'\n")
    step = Step("s", lambda: None, StepOptions(), Place(str(project / "pipeline.py"), 1))
    LayerBuilder(uv=fake.path, cache=tmp_path / "cache").build(wanted("fake"), step)
    assert len(fake.calls) == 4


def test_the_lock_of_the_stack_is_held_to(layer_cache: Path, tmp_path: Path) -> None:
    """A lock beside the layer decides the versions until an upgrade; it is checked by hash."""
    lock = tmp_path / layer_path(wanted("six"), "requirements.lock")
    lock.parent.mkdir(parents=True)
    lock.write_text("# mine\nsix==1.16.0\n")
    held = built("six", locks=tmp_path)
    assert "python/six-1.16.0.dist-info/METADATA" in names(held)
    assert held.lock == lock.read_text()
    newer = built("six", locks=tmp_path, upgrade=True)
    assert versions(newer) > ["six==1.16.0"]
    lock.write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(OptionError, match=r"Hash mismatch.*\n.*\n.*--upgrade"):
        built("six", locks=tmp_path)


def test_given_hashes_are_held_to(layer_cache: Path, tmp_path: Path) -> None:
    """A file of the same name and version that has another hash is refused."""
    with pytest.raises(OptionError, match="Hash mismatch"):
        built(f"six==1.17.0 --hash=sha256:{'0' * 64}", cache=tmp_path)
    lock = built("six==1.17.0", cache=tmp_path).lock
    hashes = [part.strip(" \\\n") for part in lock.split("--hash=")[1:]]
    for one in hashes:  # of the wheel and of the source distribution
        if one.startswith("sha256:4721f391"):
            held = built(f"six==1.17.0 --hash={one}", cache=tmp_path)
            assert held.lock.count("--hash") == held.lock.count(one) == 1


def test_a_wheel_of_the_users_is_installed(tmp_path: Path) -> None:
    """Its path starts at the step's file; the lock has no path of this computer, and its hash."""
    name = "my_pkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(tmp_path / name, "w") as wheel:
        about = "my_pkg-1.0.dist-info"
        wheel.writestr("my_pkg.py", "X = 1\n")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: my-pkg\nVersion: 1.0\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", f"my_pkg.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "pipeline.py").write_text("")
    place = Place(str(tmp_path / "app" / "pipeline.py"), 1)
    [line] = requirements_of([f"../{name}"], place)
    step = Step("s", lambda: None, StepOptions(), place)
    layer = LayerBuilder(cache=tmp_path / "cache").build(wanted(line), step)
    assert "python/my_pkg.py" in names(layer)
    assert str(tmp_path) not in layer.lock
    (tmp_path / name).write_bytes(b"another")
    with pytest.raises(LokkiError, match=name):
        LayerBuilder(cache=tmp_path / "other").build(wanted(line), step)


def test_two_processes_at_once(tmp_path: Path) -> None:
    """Both get the same layer, and nothing half done is left."""
    fake = FakeUv(tmp_path, seconds=0.4)
    code = (
        "from lokki_tf.errors import Place\n"
        "from lokki_tf.model import PackageSet, Step, StepOptions\n"
        "from lokki_tf.packaging import LayerBuilder\n"
        "step = Step('s', lambda: None, StepOptions(), Place('p.py', 1))\n"
        f"builder = LayerBuilder(uv={fake.path!r})\n"
        "layer = builder.build(PackageSet(('fake',), 'python3.13', 'x86_64'), step)\n"
        "print(layer.zip, layer.content)"
    )
    cache = tmp_path / "cache"
    environment = {**os.environ, "LOKKI_CACHE_DIR": str(cache)}
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert answers[0] == answers[1]
    assert [call for call, _ in fake.calls].count("install") == 2  # they did run at once
    assert sorted(path.suffix for path in files_below(cache)) == [".json", ".lock", ".zip"]


def test_a_damaged_entry_is_made_again(tmp_path: Path) -> None:
    """A zip that was deleted from the cache is built again."""
    fake = FakeUv(tmp_path)
    layer = built("fake", uv=fake.path, cache=tmp_path / "cache")
    layer.zip.unlink()
    assert built("fake", uv=fake.path, cache=tmp_path / "cache") == layer
    assert layer.zip.exists()


def truncated(zip_file: Path) -> None:
    zip_file.write_bytes(zip_file.read_bytes()[:-30])


def poisoned(zip_file: Path) -> None:
    with zipfile.ZipFile(zip_file, "a") as archive:
        archive.writestr("python/sitecustomize.py", "raise SystemExit")


def flipped(zip_file: Path) -> None:
    data = bytearray(zip_file.read_bytes())
    data[len(data) // 2] ^= 1
    zip_file.write_bytes(data)


def described_badly(zip_file: Path) -> None:
    zip_file.with_name("layer.json").write_text('{"content": "0"')


def of_an_older_version(zip_file: Path) -> None:
    zip_file.with_name("layer.json").write_text('{"content": "0", "sizes": {}}')


@pytest.mark.parametrize(
    "damage", [truncated, poisoned, flipped, described_badly, of_an_older_version]
)
def test_a_zip_that_was_changed_in_the_cache_is_made_again(tmp_path: Path, damage: Any) -> None:
    """The bytes that were written are deployed, and nothing else."""
    fake = FakeUv(tmp_path)
    layer = built("fake", uv=fake.path, cache=tmp_path / "cache")
    before = layer.zip.read_bytes()
    damage(layer.zip)
    assert built("fake", uv=fake.path, cache=tmp_path / "cache") == layer
    assert layer.zip.read_bytes() == before


def test_more_than_lambda_takes_is_refused_before_it_is_zipped(tmp_path: Path) -> None:
    """Over 250 MB unzipped: an error with the sizes, and nothing is kept."""
    fake = FakeUv(tmp_path, size=LIMIT + 1_048_576)
    with pytest.raises(
        LimitError, match=r"'score' has 251 MB.*allows 250 MB.*fake 1.0 251 MB"
    ) as info:
        built("fake", uv=fake.path, cache=tmp_path / "cache")
    assert info.value.place == STEP.place
    assert info.value.remedy
    assert [path.suffix for path in files_below(tmp_path / "cache")] == [".lock"]


def test_a_function_counts_with_its_layer() -> None:
    """Code and packages together may fill the 250 MB, and not a byte more."""
    check_size(STEP, 1_000, {"a 1": LIMIT - 1_000})
    with pytest.raises(LimitError, match="the largest are a 1 250 MB, b 2 0 MB"):
        check_size(STEP, 1_000, {"a 1": LIMIT - 1_000, "b 2": 1})


@pytest.mark.parametrize(
    ("lines", "says", "remedy"),
    [
        (["six==99"], "there is no version of six==99", "compatible versions"),
        (["six>1.16", "six<1.16"], "you require six<1.16 and six>1.16", "compatible versions"),
        (["no-such-package-of-anybody"], "was not found in the package registry", "change"),
        (["docopt"], "docopt have no usable wheels", "packages are not built"),
        (["pywin32==306"], "no wheels with a matching", "x86_64-manylinux_2_34"),
    ],
    ids=["no version", "conflict", "unknown", "source alone", "other platform"],
)
def test_impossible_requirements_are_the_users_to_mend(
    layer_cache: Path, tmp_path: Path, lines: list[str], says: str, remedy: str
) -> None:
    """uv's decisive line, the step, its place and what to do; nothing is kept."""
    with pytest.raises(OptionError, match=f"step 'score' requires {min(lines)}") as info:
        built(*lines, cache=tmp_path)
    assert says in info.value.message
    assert "\n" not in info.value.message
    assert remedy in (info.value.remedy or "")
    assert info.value.place == STEP.place
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"UV_OFFLINE": "1"}, "six was not found in the cache"),
        ({"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}, "refused"),
    ],
    ids=["offline", "no registry"],
)
def test_without_a_registry_the_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], says: str
) -> None:
    """A missing network is not reported as a fault of the requirements."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(MissingToolError, match=f"'score' requires six .*{says}") as info:
        built("six", cache=tmp_path / "cache")
    assert "UV_INDEX" in (info.value.remedy or "")
    assert info.value.place == STEP.place
    assert files_below(tmp_path / "cache") == []


def test_the_words_of_an_older_uv_are_understood(tmp_path: Path) -> None:
    """Its drawing and its line breaks go; its sentence stays."""
    says = (
        "  × No solution found when resolving dependencies:\n"
        "  ╰─▶ Because there is no version of fake==2 and you require\n"
        "      fake==2, we can conclude that your requirements are unsatisfiable.\n"
        "\n      hint: pre-releases are available\n"
    )
    fake = FakeUv(tmp_path, says=says)
    with pytest.raises(OptionError) as info:
        built("fake==2", uv=fake.path, cache=tmp_path / "cache")
    assert info.value.message.endswith(
        "uv says: Because there is no version of fake==2 and you require fake==2, we can "
        "conclude that your requirements are unsatisfiable."
    )


def test_without_uv_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the package nor one on PATH: an error with the remedy."""
    with pytest.raises(MissingToolError, match=r"cannot run.*\n.*pip install 'lokki-tf"):
        built("six", uv=str(tmp_path / "none"), cache=tmp_path / "cache")
    monkeypatch.setitem(sys.modules, "uv", None)  # importing it fails
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"uv is missing\n.*pip install 'lokki-tf"):
        built("six", cache=tmp_path / "cache")
    fake = FakeUv(tmp_path)
    assert built("fake", cache=tmp_path / "cache").zip.exists()
    assert len(fake.calls) == 2


def test_a_cache_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """The error names the folder and the variable that changes it."""
    (tmp_path / "file").write_text("")
    fake = FakeUv(tmp_path)
    with pytest.raises(OutputError, match=r"cannot be written[\s\S]*LOKKI_CACHE_DIR"):
        built("fake", uv=fake.path, cache=tmp_path / "file" / "cache")


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """LOKKI_CACHE_DIR, else XDG's folder for caches, else ~/.cache."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LOKKI_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert LayerBuilder().cache == tmp_path / ".cache" / "lokki_tf"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert LayerBuilder().cache == tmp_path / "xdg" / "lokki_tf"
    monkeypatch.setenv("LOKKI_CACHE_DIR", str(tmp_path / "own"))
    assert LayerBuilder().cache == tmp_path / "own"


def test_errors_are_of_the_tree(tmp_path: Path) -> None:
    """Whatever uv says, the user meets an error of lokki_tf's."""
    fake = FakeUv(tmp_path, says="error: something unheard of\n  Caused by: the moon\n")
    with pytest.raises(LokkiError, match="something unheard of: the moon"):
        built("fake", uv=fake.path, cache=tmp_path / "cache")
