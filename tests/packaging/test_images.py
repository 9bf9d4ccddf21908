"""What images are built from: the same bytes everywhere, a tag that stands for them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_uv import FakeUv
from golden_files import agrees_with_golden

from lokki_tf.config.image_names import image_repository, repository_name
from lokki_tf.errors import ConfigError, LokkiError, OptionError, Place
from lokki_tf.images.build import tar_files
from lokki_tf.model import Step, StepOptions
from lokki_tf.operate.images import keep_base
from lokki_tf.packaging import (
    ImageContext,
    LayerBuilder,
    Package,
    image_context,
)
from lokki_tf.terraform.images import Image

CODE: Mapping[str, bytes] = {"lambda_function.py": b"def lambda_handler(event, context): ...\n"}


def step(name: str, **options: Any) -> Step:
    options = {
        key: tuple(value) if isinstance(value, list) else value for key, value in options.items()
    }
    place = Place(f"{name}.py", 1, name)
    return Step(name, len, StepOptions(**options), place)


def context(*steps: Step, code: Mapping[str, bytes] = CODE, **more: Any) -> ImageContext:
    packages = {one: Package(dict(code), one) for one in steps or (step("load"), step("score"))}
    return image_context("daily", packages, **more)


def builder(tmp_path: Path, **more: Any) -> LayerBuilder:
    folder = tmp_path / "uv"
    folder.mkdir(exist_ok=True)
    uv = FakeUv(folder, **more)
    return LayerBuilder(locks=tmp_path / "stack", cache=tmp_path / "cache", uv=uv.path)


def test_a_context_has_the_steps_the_program_and_a_dockerfile() -> None:
    """Each step has a folder with the files of its zip; without packages no lock is written."""
    assert list(context().files) == [
        "Dockerfile",
        "app/entry.py",
        "app/load/lambda_function.py",
        "app/score/lambda_function.py",
    ]


def test_the_tar_is_for_all_to_read_and_has_fixed_times() -> None:
    """The tar is sorted, has no owner names, and its modes let any user read."""
    with tarfile.open(fileobj=io.BytesIO(tar_files(context().files))) as archive:
        entries = archive.getmembers()
    names = [entry.name for entry in entries]
    assert names == sorted(names)
    assert {"app", "app/load"} <= {entry.name for entry in entries if entry.isdir()}
    assert {entry.mode for entry in entries} == {0o755, 0o644}
    assert {(entry.uid, entry.gid, entry.uname, entry.mtime) for entry in entries} == {
        (0, 0, "", 315_532_800)
    }


def test_a_context_is_the_same_in_another_process() -> None:
    """Another hash seed and another order of files give the same tar and the same tag."""
    code = (
        "from lokki_tf.images.build import tar_files\n"
        "from lokki_tf.packaging.image.context import ImageContext\n"
        "files = {'b': b'2', 'a/c': b'1', 'a': b''}\n"
        "import hashlib\n"
        "c = ImageContext('n', {'app/%d' % n: b'x' * n for n in {1, 2, 30}}, 'base', 'arm64')\n"
        "print(c.tag, hashlib.sha256(tar_files(c.files)).hexdigest())\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert len(said) == 1


def test_the_tag_changes_with_the_content_and_with_nothing_else() -> None:
    """Code, names, base image and platform change the tag; the pipeline's name does not."""
    first = context()
    assert len(first.tag) == 16
    assert context().tag == first.tag
    assert replace(first, name="weekly").tag == first.tag
    others = [
        context(code={**CODE, "more.py": b""}),
        context(code={"lambda_function.py": b"def lambda_handler(event, context): pass\n"}),
        context(step("load"), step("scores")),
        context(step("load")),
        context(base_image="python:3.13"),
        replace(first, base_image="elsewhere"),
        context(*(step(name, architecture="arm64") for name in ("load", "score"))),
        context(*(step(name, python_runtime="python3.12") for name in ("load", "score"))),
    ]
    assert len({first.tag, *(other.tag for other in others)}) == len(others) + 1


def test_the_digest_of_the_base_image_changes_the_tag(tmp_path: Path) -> None:
    """The digest that was found stays in the stack's folder, and another one is another image."""
    one, other = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
    base = "localhost:5000/python:3.13"
    found = context(base_image=base, base_digest=lambda _: one)
    assert found.base_image == f"localhost:5000/python@{one}"
    assert keep_base(tmp_path, found)
    assert not keep_base(tmp_path, found)
    kept = LayerBuilder(locks=tmp_path / "stacks" / "daily")
    again = context(base_image=base, builder=kept)
    assert (again.tag, again.files) == (found.tag, found.files)
    newer = context(base_image=base, base_digest=lambda _: other)
    unknown = context(base_image=base)
    another = context(base_image="localhost:5000/python:3.12", builder=kept)
    assert another.base_image == "localhost:5000/python:3.12"
    assert len({made.tag for made in (found, newer, unknown, another)}) == 4
    given = f"localhost:5000/python@{other}"
    assert context(base_image=given, base_digest=lambda _: one).base_image == given


def test_moving_bytes_between_files_changes_the_tag() -> None:
    """Where one file ends and the next begins is part of the tag."""
    one = ImageContext("n", {"a": b"12", "b": b"3"}, "base", "x86_64")
    other = ImageContext("n", {"a": b"1", "b": b"23"}, "base", "x86_64")
    assert one.tag != other.tag


def test_a_tag_of_the_users_stands_instead_of_the_hash() -> None:
    """A given tag is the tag; what registries refuse is an error."""
    given = context(tag="v1.2")
    assert (given.tag, given.content_tag) == ("v1.2", context().tag)
    with pytest.raises(ConfigError, match="'-v1' is no tag"):
        context(tag="-v1")


@pytest.mark.parametrize("packages", [False, True], ids=["plain", "packages"])
def test_the_dockerfile_is_as_reviewed(
    request: pytest.FixtureRequest, tmp_path: Path, packages: bool
) -> None:
    """The default Dockerfile is the golden one, with and without packages that steps declare."""
    steps = (step("load", requirements=["polars"] if packages else []), step("score"))
    made = context(*steps, builder=builder(tmp_path))
    name = f"Dockerfile.{'packages' if packages else 'plain'}"
    agrees_with_golden(request, name, made.files["Dockerfile"].decode())


def test_requirements_of_all_steps_become_one_lock(tmp_path: Path) -> None:
    """What the steps declare is resolved together, and the lock is a file of the image."""
    building = builder(tmp_path)
    steps = (step("load", requirements=["b", "a"]), step("score", requirements=["c"]), step("end"))
    lock = context(*steps, builder=building).files["app/requirements.lock"].decode()
    assert "#   a\n#   b\n#   c\n" in lock
    assert lock.endswith("fake==1.0\n")


def test_a_lock_in_the_stacks_folder_is_kept_to(tmp_path: Path) -> None:
    """A lock is used until its requirements are resolved again, and for them only."""
    building = builder(tmp_path)
    steps = (step("load", requirements=["a"]),)
    made = context(*steps, builder=building)
    kept = made.files["app/requirements.lock"].decode().replace("fake==1.0", "fake==0.9")
    file = tmp_path / "stack/image/app/requirements.lock"
    file.parent.mkdir(parents=True)
    file.write_text(kept)
    again = context(*steps, builder=building)
    assert b"fake==0.9" in again.files["app/requirements.lock"]
    upgraded = context(*steps, builder=replace(building, upgrade=True))
    assert b"fake==1.0" in upgraded.files["app/requirements.lock"]
    other = context(step("load", requirements=["b"]), builder=building)
    assert b"fake==1.0" in other.files["app/requirements.lock"]


def test_requirements_that_conflict_name_the_steps(tmp_path: Path) -> None:
    """Steps whose packages do not suit each other are named, with what uv says of it."""
    says = "  × No solution found when resolving dependencies:\n  ╰─▶ you require a==1 and a==2\n"
    steps = (step("load", requirements=["a==1"]), step("score", requirements=["a==2"]))
    with pytest.raises(OptionError) as caught:
        context(*steps, builder=builder(tmp_path, says=says))
    assert caught.value.message == (
        "the steps 'load', 'score' share one image, which requires a==1, a==2 for python3.13 "
        "x86_64, and uv says: you require a==1 and a==2"
    )
    assert caught.value.remedy


@pytest.mark.parametrize(
    "other", [{"python_runtime": "python3.12"}, {"architecture": "arm64"}], ids=str
)
def test_steps_of_two_pythons_or_processors_cannot_share_an_image(other: dict[str, str]) -> None:
    """The error names both steps and what each wants."""
    with pytest.raises(OptionError) as caught:
        context(step("load"), step("score", **other))
    message = str(caught.value)
    assert "step 'load' requires python3.13 on x86_64; step 'score' requires" in message
    assert next(iter(other.values())) in message
    assert "score.py:1" in message


def test_a_dockerfile_of_the_users_is_used_as_it_is(tmp_path: Path) -> None:
    """The user's Dockerfile is in the context unchanged; one that is not there is an error."""
    own = tmp_path / "Dockerfile.mine"
    own.write_bytes(b"FROM scratch\r\n# {{BASE_IMAGE}}\n")
    made = context(dockerfile=own)
    assert made.files["Dockerfile"] == own.read_bytes()
    assert made.tag != context().tag
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        context(dockerfile=tmp_path / "nowhere")


def test_the_stacks_folder_shows_the_image() -> None:
    """The files of the build context are in image/, and image.json names the image."""
    made = context()
    files = dict(Image(made, "localhost:5000/team/daily").files)
    assert json.loads(files.pop("image.json")) == {
        "uri": f"localhost:5000/team/daily:{made.tag}",
        "app": "image/app",
        "entry": "entry.py",
    }
    assert set(files) == {f"image/{path}" for path in made.files}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, "daily"),
        ("local", "daily"),
        ("localhost:5000/x", "localhost:5000/x/daily"),
        ("[::1]:5000", "[::1]:5000/daily"),
        ("team", "team/daily"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/", 3),
    ],
)
def test_a_repository_is_the_setting_and_the_pipelines_name(
    setting: str | None, expected: str | int
) -> None:
    """``local`` and no setting give the name alone."""
    if expected == 3:
        expected = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/daily"
    assert image_repository(setting, "daily") == expected


@pytest.mark.parametrize("setting", ["https://example.com/x", "example.com/Team", "x:latest/y", ""])
def test_what_is_no_repository_is_refused(setting: str) -> None:
    """A scheme, capitals and tags are errors with an example of what is right."""
    with pytest.raises(LokkiError, match="is no repository"):
        image_repository(setting, "daily")


def test_names_that_registries_refuse_become_others_that_differ() -> None:
    """Capitals, underscores at an end and length give names of their own."""
    names = ["daily", "Daily", "daily_", "daily-", "-", "_", "d" * 80, "d", "daily__x"]
    made = [repository_name(name) for name in names]
    assert len(set(made)) == len(names)
    assert made[0] == "daily"
    assert all(one == one.lower() and 2 <= len(one) <= 128 for one in made)
    assert all(one[0].isalnum() and one[-1].isalnum() for one in made)
