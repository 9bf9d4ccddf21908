"""Data files in the zip of a step are found at the same relative path as locally."""

from __future__ import annotations

import io
import os
import zipfile
from contextlib import chdir
from pathlib import Path

import pytest

from lokki_tf.packaging import cut, package

CASES = [
    (
        "a file beside the script, by the script's path and by the working directory",
        """
        import json
        from pathlib import Path

        @step(include=["prices.json"])
        def f():
            beside = json.loads((Path(__file__).parent / "prices.json").read_text())
            with open("prices.json") as file:
                return beside, json.load(file)
        # file: prices.json
        {"apple": 1.5}
        """,
    ),
    (
        "a folder of the module's that a constant keeps, and a helper that reads in it",
        """
        from pathlib import Path

        HERE = Path(__file__).resolve().parent
        NAME = Path(__file__).with_suffix(".txt").name

        def read(name):
            return (HERE / "data" / name).read_text()

        @step(include=["data/*.csv", "pipeline.txt"])
        def f():
            return read("a.csv"), read("b.csv"), (HERE / NAME).read_text()
        # file: data/a.csv
        1,2
        # file: data/b.csv
        3,4
        # file: pipeline.txt
        beside
        """,
    ),
    (
        "whole folders, without code, caches and what is hidden",
        """
        import os

        @step(include=["models"])
        def f():
            found = sorted(os.path.join(at, name) for at, _, names in os.walk("models")
                           for name in names if not at.count("__") and name[0] != ".")
            return [name for name in found if not name.endswith(".py") and "/." not in name]
        # file: models/one.bin
        1
        # file: models/deep/er/two.bin
        2
        # file: models/code.py
        raise SystemExit
        # file: models/.hidden
        3
        # file: models/.git/config
        4
        # file: models/__pycache__/code.pyc
        5
        """,
    ),
    (
        "everything below, however deep",
        """
        @step(include=["**/*.txt", "[odd].md"])
        def f():
            return open("a.txt").read(), open("x/y/b.txt").read(), open("[odd].md").read()
        # file: a.txt
        a
        # file: x/y/b.txt
        b
        # file: [odd].md
        odd
        """,
    ),
    (
        "the data of a package, as its own code and importlib.resources find it",
        """
        from shop.steps import f
        # file: shop/__init__.py
        CURRENCY = "EUR"
        # file: shop/steps.py
        import pkgutil
        from importlib.resources import files
        from pathlib import Path

        from lokki_tf import step
        from .paths import FOLDER

        @step(include=["prices.json", "more"])
        def f():
            own = files(__package__).joinpath("prices.json").read_text()
            named = files("shop").joinpath("more", "list.txt").read_text()
            got = pkgutil.get_data("shop", "prices.json").decode()
            return own, named, got, (FOLDER / "prices.json").read_text(), Path(__file__).name
        # file: shop/paths.py
        from pathlib import Path
        FOLDER = Path(__file__).parent
        # file: shop/prices.json
        [1]
        # file: shop/more/list.txt
        x y
        """,
    ),
    (
        "files beside a package, from a module in it",
        """
        from shop.steps import f
        # file: shop/__init__.py
        # file: shop/steps.py
        from pathlib import Path
        from lokki_tf import step

        @step(include=["../data/rows.csv"])
        def f():
            above = Path(__file__).parents[1] / "data" / "rows.csv"
            return above.read_text(), open("data/rows.csv").read()
        # file: data/rows.csv
        7
        """,
    ),
    (
        "what a module reads and cannot be written down is read again there",
        """
        import configparser
        import json
        from pathlib import Path

        HERE = Path(__file__).parent
        settings = configparser.ConfigParser()
        settings.read(HERE / "settings.ini")

        class Prices:
            def __init__(self, rows):
                self.rows = rows

        PRICES = Prices(json.loads((HERE / "prices.json").read_text()))
        PLAIN = (HERE / "secret.txt").read_text()

        @step(include=["settings.ini", "prices.json"])
        def f():
            return settings["shop"]["name"], PRICES.rows, PLAIN
        # file: settings.ini
        [shop]
        name = corner
        # file: prices.json
        [1, 2]
        # file: secret.txt
        stays here, its text travels
        """,
    ),
    (
        "a nested function and a class that read their own path",
        """
        from pathlib import Path

        class Table:
            def read(self):
                return Path(__file__).with_name("t.txt").read_text()

        def make(name):
            @step(include=["t.txt"])
            def inner():
                return Table().read(), Path(__file__).with_name(name).read_text()
            return inner

        f = make("t.txt")
        # file: t.txt
        t
        """,
    ),
    (
        "plugins, named as code, that are imported by computed names",
        """
        import importlib

        @step(include=["plugins/*.py"])
        def f():
            return [importlib.import_module(f"plugins.{name}").run() for name in "ab"]
        # file: plugins/a.py
        def run(): return 1
        # file: plugins/b.py
        def run(): return 2
        """,
    ),
    (
        "files of packages that only their names refer to",
        """
        import pkgutil
        from importlib import resources
        import tables

        @step
        def f():
            named = resources.files("tables").joinpath("a.csv").read_text()
            return named, pkgutil.get_data("notes", "b.csv"), resources.files(tables).name
        # file: tables/__init__.py
        # file: tables/a.csv
        1
        # file: notes/__init__.py
        # file: notes/b.csv
        2
        """,
    ),
    (
        "folders that are listed, at import and in the step, and the names of modules",
        """
        import os
        from pathlib import Path
        import tables, plugins

        @step(include=["tables", "notes", "*.csv", "plugins/*.py"])
        def f():
            here = Path(__file__).parent
            found = *(here / "notes").iterdir(), *here.glob("*.csv")
            return sorted(one.name for one in found), os.listdir("notes"), tables.ALL, plugins.ALL
        # file: a.csv
        1
        # file: notes/b.csv
        2
        # file: tables/__init__.py
        import os
        ALL = [one for one in os.listdir(os.path.dirname(__file__)) if one.endswith(".csv")]
        # file: tables/c.csv
        3
        # file: plugins/__init__.py
        from pathlib import Path
        ALL = sorted(one.stem for one in Path(__file__).parent.glob("[a-z]*.py"))
        # file: plugins/d.py
        X = 1
        """,
    ),
]


@pytest.fixture(scope="module")
def results(bench):
    return bench.travel([(claim, text, "[]") for claim, text in CASES])


@pytest.mark.parametrize("main", [False, True], ids=["module", "script"])
@pytest.mark.parametrize("claim", [case[0] for case in CASES])
def test_files_are_there_as_they_are_here(results, claim, main):
    """A step reads its files in a fresh Python in the unzipped folder as it does here."""
    result = results[claim][main]
    found = [str(one) for one in result["package"].findings]
    assert not found
    assert result["there"] == result["here"]
    assert "Error" not in result["here"]


def packed(bench, text, change=lambda folder: None):
    folder = bench.write(text)
    change(folder)
    with bench.loaded(folder) as names:
        return package(cut(names["f"].step))


ONE = """
@step(include=["data"])
def f():
    return open("data/a.txt").read()
# file: data/a.txt
a
# file: data/b.txt
b
"""


def test_a_zip_knows_its_files_and_nothing_else(bench):
    """The hash changes when a file does, and not with its time, mode, or what is hidden."""

    def touched(folder):
        os.utime(folder / "data" / "a.txt", (1, 1))
        (folder / "data" / "a.txt").chmod(0o600)
        (folder / "data" / ".DS_Store").write_text("x")
        (folder / "other.txt").write_text("x")

    def changed(folder):
        (folder / "data" / "b.txt").write_text("c")

    first = packed(bench, ONE)
    assert packed(bench, ONE, touched).zip == first.zip
    assert packed(bench, ONE, changed).content_hash != first.content_hash
    assert first.data == {"data/a.txt", "data/b.txt"}
    with zipfile.ZipFile(io.BytesIO(first.zip)) as archive:
        assert archive.testzip() is None
        assert archive.read("data/b.txt") == b"b\n"


def linked(name, target):
    return lambda folder: (folder / name).symlink_to(target(folder))


def test_links_are_followed_but_never_round(bench):
    """A link to other files of the folder includes them; one to a folder around it ends nowhere."""

    def link(folder):
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "c.txt").write_text("c")
        (folder / "data" / "linked").symlink_to(elsewhere)
        (folder / "data" / "again").symlink_to(folder / "data")
        (folder / "data" / "more").symlink_to(folder / "data")
        (folder / "data" / "itself").symlink_to("itself")
        (folder / "data" / "broken").symlink_to("nothing")

    wanted = {"data/a.txt", "data/b.txt", "data/linked/c.txt"}
    for pattern in ("data", "data/", "data/**", "data/**/*.txt", "data/**/**/*"):
        assert packed(bench, ONE.replace("data", pattern, 1), link).data == wanted


@pytest.mark.parametrize("pattern", ["data", "data/*", "**/*", ".", "data/out", "data/out/*.txt"])
@pytest.mark.parametrize("is_folder", [True, False])
def test_a_link_out_of_the_folder_is_an_error(bench, tmp_path, pattern, is_folder):
    """The finding names the link, its target and what to do; nothing of it is in the zip."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    target = outside if is_folder else outside / "secret.txt"
    made = packed(bench, ONE.replace("data", pattern, 1), linked("data/out", lambda _: target))
    if (is_folder and pattern == "data/*") or (not is_folder and pattern == "data/out/*.txt"):
        assert not any("outside" in one.message for one in made.findings)  # it is not matched
    else:
        [finding] = made.findings
        assert finding.severity == "error"
        assert f"'data/out', a symbolic link to {target}, outside" in finding.message
        assert "replace the link" in finding.remedy
    assert b"secret" not in b"".join(made.files.values())


TOOLS = {
    "terraform-out/stacks/daily/cdk.tf.json": "what synth wrote",
    "terraform-out/stacks/daily/lambdas/f/code.zip": "what synth wrote",
    "terraform-out/manifest.json": "what synth wrote",
    "moved/cdk.tf.json": "a stack's folder elsewhere",
    "moved/statemachine.json": "a stack's folder elsewhere",
    "infra/.terraform/x": "Terraform's folder",
    "infra/terraform.tfstate": "a state",
    "infra/terraform.tfstate.backup": "a state",
    "infra/terraform.tfstate.d/dev/x": "states of workspaces",
    "infra/.lokki/state.db": "results of runs",
    "env/pyvenv.cfg": "a virtual environment",
    "env/lib/data.json": "a virtual environment",
    "web/node_modules/a/x.json": "packages of Node",
    "cache/CACHEDIR.TAG": "a cache",
    "cache/x.bin": "a cache",
    "__pycache__/x.txt": "a cache",
}


@pytest.mark.parametrize(
    "pattern",
    [".", "**", "**/*", "*/*", "*", "terraform-out", "infra/.lokki/*", "infra/.terraform",
     "env/lib", "env/lib/*", "web/node_modules/a", "infra/*.tfstate*", "moved/*", "__pycache__"],
)  # fmt: skip
def test_what_tools_write_is_not_included(bench, pattern):
    """No folder and no pattern brings it: a zip does not grow with every synth."""
    text = ONE + "".join(f"# file: {name}\n{what}\n" for name, what in TOOLS.items())
    made = packed(bench, text.replace('["data"]', f'["data", "{pattern}"]'))
    assert made.data == {"data/a.txt", "data/b.txt"}
    assert all("names" in one.message and one.remedy for one in made.findings)


@pytest.mark.parametrize("name", TOOLS)
def test_a_file_that_a_tool_wrote_is_included_by_its_name(bench, name):
    """A file that is named exactly is included, whatever wrote it."""
    text = ONE + f"# file: {name}\n1\n"
    made = packed(bench, text.replace('["data"]', f'["{name}"]'))
    assert made.data == {name}
    assert not made.findings


def test_a_second_synth_includes_the_same(bench):
    """The step's own folder may be an environment, and synth may write into it."""

    def stand_there(folder):
        (folder / "pyvenv.cfg").write_text("")
        (folder / "CACHEDIR.TAG").write_text("")

    made = packed(bench, ONE.replace("data", ".", 1), stand_there)
    assert made.data == {"data/a.txt", "data/b.txt", "pyvenv.cfg", "CACHEDIR.TAG"}


def test_pipes_and_sockets_are_no_files(bench):
    """A pattern passes them over; by their name they are an error. Nothing waits for them."""

    def pipe(folder):
        os.mkfifo(folder / "data" / "pipe")

    assert packed(bench, ONE, pipe).data == {"data/a.txt", "data/b.txt"}
    [finding] = packed(bench, ONE.replace("data", "data/pipe", 1), pipe).findings
    assert "names 'data/pipe', which is neither a file nor a folder" in finding.message


def test_a_folder_that_cannot_be_read_is_an_error(bench, monkeypatch):
    """A folder without the right to list it is an error with its name."""

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("lokki_tf.packaging.extract.include.os.listdir", refuse)
    [finding] = packed(bench, ONE).findings
    assert "data: Permission denied" in finding.message


def test_absolute_paths_start_at_the_root(bench):
    """A path of the step's folder is the same as from there; others have no place."""
    text = """
    from pathlib import Path

    @step(include=[str(Path(__file__).parent / "data")])
    def f():
        return open("data/a.txt").read()
    # file: data/a.txt
    a
    """
    assert packed(bench, text).data == {"data/a.txt"}
    [finding] = packed(bench, ONE.replace("data", "~/data", 1)).findings
    assert "names '~/data', for which the zip has no path" in finding.message


FAULTS = [
    ("nothing.txt", "names 'nothing.txt', which does not exist in "),
    ("data/*.csv", "names 'data/*.csv', which does not exist in "),
    ("data/x.txt/y", "names 'data/x.txt/y', which does not exist in "),
    ("only_code", "names the folder 'only_code', which contains no data"),
    ("../outside.txt", "names '../outside.txt', for which the zip has no path"),
    ("data/../../outside.txt", "names 'data/../../outside.txt', for which the zip has no path"),
    ("/etc/hostname", "names '/etc/hostname', for which the zip has no path"),
    ("lambda_function.py", "includes the module 'lambda_function', whose file would hide"),
    ("json.py", "includes the module 'json', whose file would hide another module"),
]


@pytest.mark.parametrize(("pattern", "message"), FAULTS, ids=[one[0] for one in FAULTS])
def test_what_cannot_come_along_is_found(bench, pattern, message):
    """A pattern that brings nothing, or what has no place, is an error at the step's line."""
    text = f"""
    from helpers import double

    @step(include=["data", {pattern!r}])
    def f():
        return double(1)
    # file: helpers.py
    def double(x):
        return 2 * x
    # file: data/x.txt
    x
    # file: only_code/a.py
    x = 1
    # file: lambda_function.py
    x = 1
    # file: json.py
    x = 1
    """
    made = packed(bench, text)
    errors = [one for one in made.findings if one.severity == "error"]
    assert any(message in one.message for one in errors)
    assert {one.place.line for one in errors} == {4}
    assert all(one.remedy for one in errors)


def test_more_than_lambda_takes_is_an_error(bench):
    """Over 250 MB, unzipped, the largest files are named, and none of them is read."""

    def sparse(folder):
        with (folder / "data" / "large.bin").open("wb") as file:
            file.truncate(300 * 1_048_576)

    made = packed(bench, ONE, sparse)
    [finding] = made.findings
    assert "has 300 MB of code and files, unzipped; Lambda allows 250 MB" in finding.message
    assert "the largest are data/large.bin 300 MB" in finding.message
    assert not made.data


def test_what_cannot_be_read_is_an_error(bench, monkeypatch):
    """A file that cannot be read is reported with its name."""

    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    [finding] = packed(bench, ONE).findings
    assert "a.txt: Permission denied" in finding.message


def test_a_path_without_files_is_a_warning(bench):
    """Code that reads __file__ in a step without files is reported with the remedy."""
    text = "@step\ndef f():\n    return __file__\n"
    [finding] = packed(bench, text).findings
    assert finding.severity == "warning"
    assert "@step(include=[…])" in finding.remedy


def test_a_read_value_says_that_the_file_may_travel(bench):
    """For values read from files, the remedy is include=; for arguments it is not."""
    text = """
    import sys
    from pathlib import Path
    TABLE = {1: object(), 2: Path("x").exists()}
    ARGS = [object(), sys.argv]
    @step
    def f():
        return TABLE, ARGS
    """
    args, table = sorted(packed(bench, text).findings, key=lambda one: one.message)
    assert "include=[…]" in table.remedy
    assert args.remedy == "pass it to the step as an argument"


def test_files_of_classes_follow_their_instances(bench):
    """A class that reads a file brings it to every step that its instances may reach."""
    text = """
    from dataclasses import dataclass
    from pathlib import Path

    class Table:
        rows = Path(__file__).with_name("rows.bin").read_bytes().split()
        made = object()

        def first(self):
            return self.rows[0]

    @step(include=["rows.bin", "other.txt"])
    def load():
        return Table()

    @step
    def f(table):
        return table.first()
    # file: rows.bin
    one two
    # file: other.txt
    x
    """
    folder = bench.write(text)
    with bench.loaded(folder, main=True) as names:
        upstream, own = cut(names["load"].step), cut(names["f"].step)
    made = package(bench.receive(own, upstream))
    assert made.data == {"rows.bin", "other.txt"}
    table = b"cpipeline\nTable\n)\x81."
    argument = f"[__import__('pickle').loads({table!r})]"
    assert bench.run([(bench.unpack(made), argument)])[0][0] == "b'one'"


def test_in_a_notebook_files_are_those_of_its_folder(bench, cells, tmp_path):
    """A step of a notebook names files from the working directory, where a kernel starts."""
    (tmp_path / "prices.json").write_text("[1]")
    with chdir(tmp_path):
        names = cells(
            "@step(include=['prices.json'])\ndef f():\n    return open('prices.json').read()"
        )
        made = package(cut(names["f"].step))
    assert not made.findings
    assert bench.run([(bench.unpack(made), "[]")])[0][0] == "'[1]'"


def test_a_file_that_a_kept_statement_reads_is_included(bench, monkeypatch):
    """A configuration of logging that the top of the script reads is in the zip."""
    text = (
        "import logging.config\nlogging.config.fileConfig('log.ini')\n@step\ndef f():\n"
        "    return 1\n# file: log.ini\n[loggers]\nkeys=root\n[handlers]\nkeys=\n[formatters]\n"
        "keys=\n[logger_root]\nhandlers=\n"
    )
    folder = bench.write(text)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("logging.config.fileConfig", lambda path: None)
    with bench.loaded(folder) as names:
        made = package(cut(names["f"].step))
    assert not made.findings
    assert made.files["log.ini"].startswith(b"[loggers]")
