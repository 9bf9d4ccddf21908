"""The file of a StateManager survives other files, processes, kills, forks and damage."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import traceback
from contextlib import closing
from time import perf_counter

import pytest

from lokki_tf import StateManager
from lokki_tf.errors import StateError
from lokki_tf.local.database import APPLICATION, FORMAT, Database

FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()")


@pytest.fixture
def path(tmp_path):
    """Return a path in a new folder, without a file."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "state.db"


def started(script, *arguments):
    """Start a process that runs a script once it reads a line."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def go(*processes):
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()


def is_sound(path):
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def database(path, application, version):
    """Make a SQLite database with one table."""
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE entries (key)")
        raw.execute(f"PRAGMA application_id = {application}")
        raw.execute(f"PRAGMA user_version = {version}")


OTHER_FILES = {
    "JSON": (
        lambda path: path.write_text('{"version": "1.0", "cache": {}}'),
        "not a SQLite database",
    ),
    "long text": (lambda path: path.write_text("text " * 5000), "not a SQLite database"),
    "a byte": (lambda path: path.write_bytes(b"S"), "not a SQLite database"),
    "a header cut off": (
        lambda path: path.write_bytes(b"SQLite format 3\0"),
        "not a SQLite database",
    ),
    "other program": (lambda path: database(path, 0, FORMAT), "database of another program"),
    "older": (lambda path: database(path, APPLICATION, FORMAT - 1), "older than format"),
    "newer": (lambda path: database(path, APPLICATION, FORMAT + 1), "newer than format"),
}


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_a_file_of_another_kind_is_not_changed(path, kind):
    """A file that is not a state of this format is an error, and is not changed."""
    write, problem = OTHER_FILES[kind]
    write(path)
    before = path.read_bytes()
    with pytest.raises(StateError, match=problem) as caught:
        StateManager(path)
    assert str(path) in caught.value.message
    assert "use another file" in caught.value.remedy
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_newer_format_asks_for_an_upgrade(path):
    """The remedy for a file of a later version is to upgrade, not to delete it."""
    database(path, APPLICATION, FORMAT + 1)
    with pytest.raises(StateError) as caught:
        StateManager(path)
    assert "upgrade lokki_tf" in caught.value.remedy


@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_the_file_is_for_its_user_alone(tmp_path):
    """Neither the folder, the file nor its log can be read by others."""
    state = StateManager(tmp_path / "new" / "state.db")
    state.set("key", [1])
    found = [tmp_path / "new", *(tmp_path / "new").iterdir()]
    assert len(found) >= 2
    assert {path.stat().st_mode & 0o077 for path in found} == {0}


def test_special_files_are_errors(tmp_path):
    """A folder, a device, and a file instead of a parent folder are errors with a remedy."""
    (tmp_path / "file").write_text("")
    for path, problem in [
        (tmp_path, "is a folder"),
        (os.devnull, "a special file"),
        (tmp_path / "file" / "state.db", "cannot be used"),
        ("state\0.db", "cannot be used"),
    ]:
        with pytest.raises(StateError, match=problem) as caught:
            StateManager(path)
        assert "another file" in caught.value.remedy


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")
@pytest.mark.parametrize("path", ["/proc/self/mem", "/proc/state.db", "/proc/folder/state.db"])
def test_unreadable_and_unwritable_paths_are_errors(path):
    """An unreadable file and an unwritable folder are errors with path and remedy."""
    with pytest.raises(StateError, match=f"{path} cannot be used") as caught:
        StateManager(path)
    assert "are readable and writable" in caught.value.remedy


def test_an_empty_file_is_a_new_one(path):
    """A file without content, as left by a process killed while creating it, becomes a state."""
    path.touch()
    with StateManager(path) as state:
        state.set("a", 1)
    with StateManager(path) as state:
        assert state.get("a") == 1


@pytest.mark.parametrize("damage", ["cut off", "overwritten", "no table"])
def test_a_damaged_file_is_an_error_with_a_remedy(path, damage):
    """A damaged file is an error with a remedy, at the latest when it is used."""
    with StateManager(path) as state:
        for index in range(50):
            state.set(str(index), os.urandom(500))
    whole = path.read_bytes()
    if damage == "cut off":
        path.write_bytes(whole[:8192])
    elif damage == "overwritten":
        path.write_bytes(whole[:200] + b"\xff" * (len(whole) - 200))
    else:
        with closing(sqlite3.connect(path)) as raw:
            raw.execute("DROP TABLE entries")
    with (
        pytest.raises(StateError, match=r"state\.db is damaged") as caught,
        StateManager(path) as state,
    ):
        state.get_all()
    assert "delete it" in caught.value.remedy


def test_a_value_too_large_for_sqlite_is_an_error_with_a_remedy(path):
    """A value too large for a row of SQLite is an error with a remedy."""
    state = StateManager(path)
    state._database._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1000)
    with pytest.raises(StateError, match="cannot hold a value of this size") as caught:
        state.set("a", os.urandom(5000))
    assert "store its path" in caught.value.remedy
    assert not state.has("a")


def test_a_lock_that_stays_is_an_error_with_a_remedy(path):
    """After the time limit, a locked file is an error that says so."""
    StateManager(path).close()
    patient = Database(str(path), patience=0.0)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="locked by another process"):
            patient.run("DELETE FROM entries")
    assert patient.run("DELETE FROM entries") == ([], 0)


def test_a_temporary_lock_is_waited_for(path):
    """A writer waits while another process has locked the file, and then writes."""
    state = StateManager(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        writer = threading.Thread(target=state.set, args=("a", 1))
        writer.start()
        assert state.get("b") is None
        raw.execute("COMMIT")
    writer.join()
    assert state.get("a") == 1


HAMMER = """
import sys
from lokki_tf import StateManager
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
input()
state = StateManager(path)
for index in range(count):
    state.set(f"{name}-{index}", index, ttl=600 if index % 2 else None)
    assert state.get(f"{name}-{index}") == index
"""
VISITOR = """
import sys
from lokki_tf import StateManager
input()
for index in range(50):
    with StateManager(sys.argv[1]) as state:
        assert all(isinstance(value, int) for value in state.get_all().values())
"""


def test_processes_lose_nothing(path):
    """Two writers, and one that opens and closes, started before the file exists, lose nothing."""
    writers = [started(HAMMER, path, name, 400) for name in "ab"]
    visitor = started(VISITOR, path)
    go(*writers, visitor)
    assert [process.wait(60) for process in (*writers, visitor)] == [0, 0, 0]
    expected = {f"{name}-{index}": index for name in "ab" for index in range(400)}
    with StateManager(path) as state:
        assert state.get_all() == expected
    assert is_sound(path)


MAKER = """
import sys
from lokki_tf import StateManager
import lokki_tf.local.database
input()
for number in range(30):
    StateManager(f"{sys.argv[1]}-{number}").set(sys.argv[2], number)
"""


def test_a_file_can_be_made_by_many_at_once(path):
    """Several processes that find no file at the same time create one file."""
    makers = [started(MAKER, path, name) for name in "abcd"]
    go(*makers)
    assert [process.wait(60) for process in makers] == [0] * 4
    for number in range(30):
        with StateManager(f"{path}-{number}") as state:
            assert state.get_all() == dict.fromkeys("abcd", number)


def test_a_file_created_by_another_process_is_used(path):
    """If another process creates the file meanwhile, that file is used."""

    def overtake(frame, event, called):
        if event == "c_return" and called.__name__ == "fetchone":  # has seen an empty file
            sys.setprofile(None)
            maker = started(HAMMER, path, "a", 1)
            go(maker)
            assert maker.wait(60) == 0

    sys.setprofile(overtake)
    try:
        state = StateManager(path)
    finally:
        sys.setprofile(None)
    state.set("b", 1)
    assert state.get_all() == {"a-0": 0, "b": 1}


def test_a_second_state_of_a_file_does_not_loosen_the_first(path):
    """Opening a file again in a process keeps its locks, so no other deletes its log."""
    first = StateManager(path)
    first.set("a", 1)
    second = StateManager(path)
    visitor = started(VISITOR, path)
    go(visitor)
    assert visitor.wait(60) == 0
    first.set("b", 2)
    second.set("c", 3)
    hammer = started(HAMMER, path, "d", 1)
    go(hammer)
    assert hammer.wait(60) == 0
    first.close()
    second.close()
    with StateManager(path) as state:
        assert state.get_all() == {"a": 1, "b": 2, "c": 3, "d-0": 0}


WRITER = """
import sys
from lokki_tf import StateManager
import lokki_tf.local.database
input()
print("opening", flush=True)
state = StateManager(sys.argv[1])
index = 0
while True:
    for key in (f"{sys.argv[2]}-{index}", "again"):
        state.set(key, [index] * (index % 700), ttl=600 if index % 3 else None)
    print(f"{sys.argv[2]}-{index}", flush=True)
    index += 1
"""


def pause(seconds):
    """Wait with microsecond precision, which sleeping does not have."""
    until = perf_counter() + seconds
    while perf_counter() < until:
        pass


def killed(process, after, seconds):
    """Return what a writer had reported when it was killed, some time after some lines."""
    reported = [process.stdout.readline().strip() for _ in range(after + 1)]
    pause(seconds)
    process.kill()
    reported += process.stdout.read().split("\n")[:-1]  # ignore an incomplete line
    process.wait()
    return reported[1:]


def test_a_killed_writer_loses_nothing(path):
    """Writers killed at any moment leave a sound file with everything they had reported."""
    chance, stored = random.Random(1), set()
    writers = [started(WRITER, path, number) for number in range(12)]
    for writer in writers:
        go(writer)
        stored.update(killed(writer, chance.randrange(40), chance.uniform(0, 0.005)))
    with StateManager(path) as state:
        assert stored <= state.get_all().keys()
    assert len(stored) > 100
    assert is_sound(path)


def test_a_process_killed_while_it_makes_the_file_leaves_one_to_complete(path):
    """A process killed at any moment while it creates a file leaves one that can be opened."""
    chance = random.Random(2)
    writers = [started(WRITER, path.with_name(f"{number}.db"), "a") for number in range(16)]
    for number, writer in enumerate(writers):
        go(writer)
        stored = killed(writer, 0, chance.uniform(0, 0.004))
        with StateManager(path.with_name(f"{number}.db")) as state:
            assert set(stored) <= state.get_all().keys()
            state.set("b", 1)
        assert is_sound(path.with_name(f"{number}.db"))


# Counts the calls of Connection.execute as they return, and ends the process after one.
DIES = """
import os, signal, sys
from lokki_tf import StateManager
import lokki_tf.local.database
left = int(sys.argv[2])
def watch(frame, event, called):
    global left
    if event == "c_return" and called.__name__ == "execute":
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
input()
sys.setprofile(watch)
StateManager(sys.argv[1])
sys.setprofile(None)
print("made", flush=True)
"""


def test_after_each_statement_of_creation_a_kill_is_harmless(path):
    """A process killed between any two statements of creation leaves one that can be opened."""
    calls = range(1, 14)
    makers = [started(DIES, path.with_name(f"{call}.db"), call) for call in calls]
    go(*makers)
    made = [process.communicate(timeout=60)[0] == "made\n" for process in makers]
    assert made[0] is False
    assert made[-1] is True
    for call in calls:
        with StateManager(path.with_name(f"{call}.db")) as state:
            state.set("a", 1)
            assert state.get_all() == {"a": 1}
        assert is_sound(path.with_name(f"{call}.db"))


def in_child(action):
    """Return whether an action returns a true value in a forked child, within 20 seconds."""
    child = os.fork()
    if not child:
        done = False
        try:
            signal.alarm(20)
            done = bool(action())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0 if done else 1)
    return os.waitpid(child, 0)[1] == 0


@FORKS
def test_a_forked_child_uses_the_file_like_any_process(path):
    """Parent and child both continue to write, and neither deletes the other's log."""
    state = StateManager(path)
    state.set("a", 1)
    problem, tell = os.pipe()
    closed, close = os.pipe()

    def child():
        state.set("b", state.get("a") + 1)
        os.write(tell, b".")
        os.read(closed, 1)
        state.set("c", 3)
        return True

    def parent():
        os.read(problem, 1)
        state.close()
        os.write(close, b".")

    waiting = threading.Thread(target=parent)
    waiting.start()
    assert in_child(child)
    waiting.join()
    with StateManager(path) as state:
        assert state.get_all() == {"a": 1, "b": 2, "c": 3}


@FORKS
def test_a_fork_waits_for_threads_that_write(path):
    """A child forked while threads write does not inherit a lock that is never released."""
    state, over = StateManager(path), threading.Event()
    state.set("a", 1)

    def write():
        while not over.is_set():
            state.set("a", [1] * 5000, ttl=60)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(15):
            assert in_child(lambda key=str(number): state.set(key, key) or state.has("a"))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert set(state.get_all()) == {"a", *map(str, range(15))}


@FORKS
def test_memory_is_copied_by_a_fork():
    """A child has the values at the time of the fork, and changes only its own."""
    state = StateManager()
    state.set("a", 1)
    assert in_child(lambda: state.get("a") == 1 and state.set("b", 2) is None and state.has("b"))
    assert state.get_all() == {"a": 1}
