"""Values that cannot be serialized are findings with name, line and remedy."""

from __future__ import annotations

import pytest

CASES = [
    (
        "a result of a step that is used as a global",
        """
        @step
        def load():
            return 1

        rows = load()

        @step
        def f():
            return rows
        """,
        ["error capture-pipeline:10 step 'f' uses 'rows', a lokki_tf.authoring.calls.Call"],
    ),
    (
        "the pipeline itself, and lokki_tf, in step code",
        """
        import lokki_tf
        from lokki_tf import Flow, step

        pipe = Flow("p")
        calls = [pipe]

        @step
        def f():
            from lokki_tf import DAG
            return pipe, Flow("q"), calls, lokki_tf.DAG
        """,
        [
            "error capture-pipeline:10 step 'f' uses 'Flow', a part of lokki_tf",
            "error capture-pipeline:10 step 'f' uses 'calls', a list that comes from 'pipe', "
            "a lokki_tf.",
            "error capture-pipeline:10 step 'f' uses 'lokki_tf', which is lokki_tf",
            "error capture-pipeline:10 step 'f' uses 'pipe', a lokki_tf.",
            "error capture-pipeline:9 step 'f' uses 'DAG', a part of lokki_tf",
        ],
    ),
    (
        "open files, connections and generators",
        """
        import socket
        import sqlite3

        connection = sqlite3.connect(":memory:")
        cursor = connection.cursor()
        numbers = (n for n in range(3))
        plug = socket.socket()
        log = open(__file__)
        names = [row for row in connection.execute("select 1")]

        @step
        def f():
            return names, [connection, cursor, numbers, plug, log]
        """,
        [
            "error capture-live:14 step 'f' uses 'connection', an open SQLite connection, which",
            "error capture-live:14 step 'f' uses 'cursor', a cursor of an open SQLite connection",
            "error capture-live:14 step 'f' uses 'log', an open file",
            "error capture-live:14 step 'f' uses 'numbers', a generator",
            "error capture-live:14 step 'f' uses 'plug', an open socket",
        ],
    ),
    (
        "values that were read from files and are not literals",
        """
        import configparser
        from pathlib import Path

        HERE = Path(__file__).parent
        settings = configparser.ConfigParser()
        settings.read("nothing.ini")
        BIG = [n for n in range(100_000) if Path(__file__).exists()]

        def table():
            return {"rows": {1: object(), "text": open(__file__).read()}}

        TABLE = table()

        @step
        def f():
            return HERE, settings, TABLE, BIG
        """,
        [
            "error capture-file:17 step 'f' uses 'BIG', a list that comes from exists(…) on",
            "error capture-file:17 step 'f' uses 'TABLE', a dict that comes from open(…) on",
            "error capture-file:17 step 'f' uses 'settings', a configparser.ConfigParser that",
            "warning capture-file:5 step 'f' uses __file__, but in Lambda no files are next",
        ],
    ),
    (
        "a secret that was typed in",
        """
        import getpass

        getpass.getpass = lambda prompt="": "secret"
        PASSWORD = getpass.getpass()

        @step
        def f():
            return PASSWORD
        """,
        ["error capture-secret:9 step 'f' uses 'PASSWORD', which comes from getpass(…): secrets "],
    ),
    (
        "a default value that only a run will give",
        """
        @step
        def load():
            return 1

        @step
        def f(rows=load()):
            return rows
        """,
        ["error capture-pipeline:6 step 'f' uses 'load', a step of the pipeline"],
    ),
    (
        "a global that no statement makes",
        """
        globals()["table"] = object()

        @step
        def f():
            return table
        """,
        ["error capture-dynamic:6 step 'f' uses 'table', an object that no statement of its"],
    ),
    (
        "a global that only the script itself sets",
        """
        if __name__ == "__main__":
            table = object()
        LIMIT = 3

        @step
        def f():
            return LIMIT, table
        """,
        [
            "error capture-dynamic:8 step 'f' uses 'table', an object that is set only under "
            "a condition that Lambda does not meet (line 2)"
        ],
    ),
    (
        "a name that is defined nowhere",
        """
        @step
        def f():
            return not_a_name
        """,
        ["warning capture-undefined:4 step 'f' uses 'not_a_name', which is not defined"],
    ),
    (
        "names that are looked up at run time, and the file's own path",
        """
        @step
        def f(name):
            return globals()[name], __file__
        """,
        [
            "warning capture-by-name:4 step 'f' uses globals(), eval()",
            "warning capture-file:4 step 'f' uses __file__",
        ],
    ),
    (
        "a constant with another value in each Lambda",
        """
        import uuid
        from datetime import datetime

        RUN = str(uuid.uuid4())
        NOW = datetime.now()
        later = lambda: datetime.now()

        @step
        def f():
            return RUN, NOW, later
        """,
        [
            "warning capture-differs:11 step 'f' uses 'NOW', to which datetime.now() gives a",
            "warning capture-differs:11 step 'f' uses 'RUN', to which uuid.uuid4() gives a",
        ],
    ),
    (
        "packages that Lambda does not have",
        """
        import heavylib as heavy
        import boto3, dateutil.parser

        @step
        def f():
            import polars_of_nobody
            return heavy, polars_of_nobody, boto3, dateutil

        @step
        def g():
            return boto3
        """,
        [
            "error package-missing:2 step 'f' imports 'heavylib', which Lambda does not have",
            "error package-missing:7 step 'f' imports 'polars_of_nobody', which Lambda",
        ],
    ),
    (
        "a module whose file would hide Python's own",
        """
        import tabnanny

        @step
        def f():
            return tabnanny.K
        # file: tabnanny.py
        K = 1
        """,
        ["error module-name:4 step 'f' includes the module 'tabnanny', whose file would hide"],
    ),
    (
        "a module of the user's without source",
        """
        import sys, types
        sys.modules["made"] = made = types.ModuleType("made")
        made.x = object()
        from made import x

        @step
        def f():
            return x
        """,
        ["error package-missing:5 step 'f' imports 'made'"],
    ),
    (
        "a step that is not a plain function",
        """
        class Adder:
            def __call__(self, x):
                return x + 1

        class Holder:
            pass

        f = Holder()
        f.step = step(lambda x: x, name="f").step
        object.__setattr__(f.step, "function", Adder())
        """,
        ["error capture-source:10 step 'f' needs the source of its function, but that is a"],
    ),
]


@pytest.mark.parametrize(("claim", "text", "expected"), CASES, ids=[case[0] for case in CASES])
def test_it_is_found(bench, claim, text, expected):
    """Each of these is found, at its line, and nothing else is."""
    found = sorted(
        f"{one.severity} {one.rule}:{one.place.line} {one.message}"
        for one in bench.cut(text, main="__main__" in text).findings
    )
    assert [line[: len(start)] for line, start in zip(found, expected, strict=False)] == expected
    assert len(found) == len(expected), found


def test_a_finding_has_a_source_location_and_a_remedy(bench):
    """A finding becomes an error that names the user's file and line, and a remedy."""
    [finding] = bench.cut("rows = (n for n in [])\n@step\ndef f():\n    return rows\n").findings
    assert str(finding) == (
        "step 'f' uses 'rows', a generator, which cannot be serialized for Lambda\n"
        f"  at {finding.place.file}:5\n"
        "  open it inside the function, where each Lambda makes its own"
    )
    assert finding.place.file.endswith("pipeline.py")
    assert finding.place.name == "rows"


def test_an_edited_file_is_distinguished_from_what_runs(bench):
    """A function is not cut out of a file that changed after it was imported."""
    folder = bench.write("@step\ndef f():\n    return 1\n")
    with bench.loaded(folder) as names:
        (folder / "pipeline.py").write_text("# another file altogether\n\n\n\n")
        from lokki_tf.packaging import cut

        [finding] = cut(names["f"].step).findings
    assert "the source of function 'f' changed since it was imported" in finding.message
