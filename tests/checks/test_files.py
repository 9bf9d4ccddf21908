"""Files that steps write and read by literal paths: findings, and warnings of strict runs."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lokki_tf import DAG, MicroFunctions, Pipeline, ReturnUpdates, flow, step, task
from lokki_tf.checks.code import check_code

if TYPE_CHECKING:
    from lokki_tf.model import Finding

FOLDER = Path("data")
NAME = "out.csv"
TEMPORARY = "/tmp/lokki-files"  # what Lambda lets a function write


def opens() -> Any:
    with open("out.csv", "w") as file:
        file.write("1")


def appends() -> Any:
    return open(file=f"{FOLDER}/{NAME}", mode="a")


def path_method() -> Any:
    path = FOLDER / NAME
    path.write_text("1")


def path_open() -> Any:
    return (FOLDER / "x.csv").open("x")


def joined() -> Any:
    return gzip.open(os.path.join("data", NAME + ".gz"), "wb")


def makes_folder() -> Any:
    os.makedirs("/data/folder", exist_ok=True)


def copies() -> Any:
    shutil.copy(TEMPORARY, "copy.csv")


def frame_method(frame: Any = None) -> Any:
    frame.to_csv("frame.csv", index=False)


def database() -> Any:
    return sqlite3.connect("kept.db")


def through_helper() -> Any:
    return opens()


def temporary() -> Any:
    Path(f"{TEMPORARY}/x").write_text("1")
    return open(TEMPORARY, "w"), open("/dev/null", "w"), sqlite3.connect(":memory:")


def computed(name: Any = None) -> Any:
    return open(name, "w")


def by_default(name: str = "x.csv") -> Any:
    return open(name, "w")


def beside_the_code() -> Any:
    return Path(__file__).with_name("out.csv").write_text("1")


def below_the_code() -> Any:
    folder = Path(__file__).resolve().parent
    (folder / "data").mkdir()


def beside_by_os() -> Any:
    return open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "x"), "w")


def moves_path() -> Any:
    return Path(TEMPORARY).rename("moved.csv")


def moves() -> Any:
    return os.rename(TEMPORARY, "moved.csv")


def renames_columns(frame: Any = None) -> Any:
    return frame.rename("a"), "a.b".replace(".", "-")


def in_temporary_folder() -> Any:
    return (Path(tempfile.gettempdir()) / "x").write_text("1")


def reads_only() -> Any:
    return open("out.csv"), open("out.csv", "rb"), FOLDER.exists(), json.dumps({})


def moves_to_tmp() -> Any:
    os.chdir("/tmp")
    return open("relative.txt", "w")


WRITING: list[Callable[..., Any]] = [
    *(opens, appends, path_method, path_open, joined, makes_folder, copies, frame_method),
    *(database, through_helper, by_default, beside_the_code, below_the_code, beside_by_os),
    *(moves_path, moves),
]


def of_rule(pipeline: Any, rule: str) -> list[Finding]:
    return [one for one in check_code(pipeline.definition) if one.rule == rule]


@pytest.mark.parametrize("function", WRITING, ids=lambda one: one.__name__)
def test_writes_outside_tmp_are_warnings(function: Callable[..., Any]) -> None:
    """Whatever writes a literal path that Lambda cannot write is a warning at its line."""
    (found,) = of_rule(Pipeline("p", steps=[step(function)()]), "write")
    assert found.severity == "warning"
    assert found.place.file == __file__
    job = step(job_type="batch", name="job")(function)
    assert of_rule(Pipeline("p", steps=[job()]), "write") == []


@pytest.mark.parametrize(
    "function",
    [temporary, computed, reads_only, moves_to_tmp, renames_columns, in_temporary_folder],
    ids=lambda one: one.__name__,
)
def test_what_lambda_can_write_is_no_finding(function: Callable[..., Any]) -> None:
    """/tmp, devices, reading, and paths that are only known when the code runs give no warning."""
    assert of_rule(Pipeline("p", steps=[step(function)()]), "write") == []


def writes_shared(n: int = 1) -> int:
    Path(TEMPORARY).write_text(str(n))
    return n


def reads_shared(n: int = 1) -> int:
    with open(TEMPORARY) as file:
        return int(file.read())


def writes_temporary(n: int = 1, path: str = "x") -> int:
    Path(tempfile.gettempdir(), path).write_text(str(n))
    return n


def reads_temporary(n: int = 1) -> int:
    return int(open(os.path.join(tempfile.gettempdir(), "x")).read())


def opens_database(n: int = 1) -> int:
    return n + sqlite3.connect(f"{TEMPORARY}/kept.db").total_changes


@pytest.mark.parametrize("given", [{}, {"path": "x"}])
def test_paths_are_followed_to_the_temporary_folder_and_arguments(given: dict[str, Any]) -> None:
    """The temporary folder is /tmp in AWS; defaults and literal arguments are what is written."""
    first = step(writes_temporary)(1, **given)
    (found,) = of_rule(Pipeline("p", steps=[step(reads_temporary)(first)]), "shared-file")
    assert "reads '/tmp/x', which step 'writes_temporary' writes" in found.message
    other = step(writes_temporary)(1, path="y")
    assert of_rule(Pipeline("p", steps=[step(reads_temporary)(other)]), "shared-file") == []


def test_a_database_that_steps_share_is_a_warning() -> None:
    """Two steps that open one file of SQLite: in AWS the second has an empty one."""
    one, other = step(name="one")(opens_database), step(name="other")(opens_database)
    (found,) = of_rule(Pipeline("p", steps=[other(one(1))]), "shared-file")
    assert found.message.startswith("the code of step 'other' reads '/tmp/lokki-files/kept.db'")
    assert of_rule(Pipeline("p", steps=[one(1)]), "shared-file") == []


def keeps_own(n: int = 1) -> int:
    if not os.path.exists(TEMPORARY):
        Path(TEMPORARY).write_text("1")
    return n


@flow
def shared_flow(n: int = 1) -> Any:
    return step(writes_shared)(n).next(step(reads_shared))


def shared_dag() -> DAG:
    first, second = task(name="first")(writes_shared), task(name="second")(reads_shared)
    first >> second
    return DAG("shared", tasks=[first, second])


def shared_routes() -> MicroFunctions:
    pipe = MicroFunctions("begin", name="shared")

    @pipe.fn()
    def begin(*, n: int) -> Any:
        writes_shared(n)
        return ReturnUpdates("end", n=n)

    @pipe.fn(terminates=True)
    def end(*, n: int) -> Any:
        return {"n": reads_shared(n)}

    return pipe


STYLES: dict[str, Callable[[], Any]] = {
    "calls": lambda: Pipeline("p", steps=[step(reads_shared)(step(writes_shared)(1))]),
    "flow": lambda: shared_flow,
    "arrows": shared_dag,
    "routes": shared_routes,
}


@pytest.mark.parametrize("style", STYLES)
def test_a_path_that_one_step_writes_and_another_reads_is_a_warning(style: str) -> None:
    """In every style, and wherever the path is: in AWS each step has files of its own."""
    (found,) = of_rule(STYLES[style](), "shared-file")
    assert TEMPORARY in found.message
    assert "which step" in found.message


def test_a_step_that_makes_the_file_itself_is_no_finding() -> None:
    """Steps that each write what they read depend on no other step."""
    one, other = step(name="one")(keeps_own), step(name="other")(keeps_own)
    assert of_rule(Pipeline("p", steps=[other(one(1))]), "shared-file") == []


def hidden(n: int = 1) -> int:
    path = "".join(["/tmp", "/lokki-", "hidden"])
    Path(path).write_text(str(n))
    return n


def finds_hidden(n: int = 1) -> int:
    return int(Path("".join(["/tmp", "/lokki-", "hidden"])).read_text())


def writes_home(folder: str) -> int:
    Path(folder, "x.txt").write_text("1")
    return 1


@pytest.mark.parametrize("style", ["calls", "routes"])
def test_strict_runs_warn_of_files_that_steps_share(style: str) -> None:
    """However the path is computed, a strict run warns with the step's line; others do not."""
    shared = Pipeline("p", steps=[step(finds_hidden)(step(hidden)(1))])
    pipeline = shared if style == "calls" else shared_routes()
    given = {} if style == "calls" else {"n": 1}
    with pytest.warns(
        RuntimeWarning, match=r"reads /tmp/lokki-\w+, which step '\w+' has written"
    ) as seen:
        pipeline.local_run(given, strict=True)
    assert [one.filename for one in seen] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline.local_run(given)


def test_strict_runs_warn_of_files_that_steps_move_and_look_for(tmp_path: Path) -> None:
    """A moved file is one that the step has written; to ask whether it is there is to read it."""

    def move() -> str:
        (tmp_path / "before").write_text("1")
        os.rename(tmp_path / "before", tmp_path / "after")
        return str(tmp_path / "after")

    def looks(path: str) -> bool:
        return os.path.exists(path) and Path(path).exists()

    # Steps that other tests have left running after their time limit may still be watched.
    was_watched = hasattr(os.stat, "__wrapped__")
    pipeline = Pipeline("p", steps=[step(looks)(step(move)())])
    with pytest.warns(RuntimeWarning) as seen:
        assert pipeline.local_run(strict=True).result is True
    texts = [str(one.message) for one in seen if "'looks'" in str(one.message)]
    assert len(texts) == 1
    assert f"reads {tmp_path / 'after'}, which step 'move' has written" in texts[0]
    assert was_watched or not hasattr(os.stat, "__wrapped__")


def test_strict_runs_warn_of_writes_outside_tmp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that writes elsewhere is a warning, once a path; one that writes to /tmp is not."""
    monkeypatch.setattr("lokki_tf.local.files._is_temporary", lambda path: "lokki-" in path)
    pipeline = Pipeline("p", steps=[step(writes_home)(str(tmp_path)), step(hidden)(1)])
    with pytest.warns(RuntimeWarning, match=r"writes .*x.txt: in Lambda only /tmp") as seen:
        pipeline.local_run(strict=True)
    assert len(seen) == 1
