"""The name that this package has in pickles, in bundles without a stub of lokki_tf."""

from __future__ import annotations

import sys


def make_known() -> None:
    """Let pickles find the classes of this package by its name in lokki_tf."""
    from importlib.util import find_spec

    if find_spec("lokki_tf") is None:
        own = sys.modules[__name__.rpartition(".")[0]]
        sys.modules["lokki_tf"] = sys.modules["lokki_tf.runtime"] = own
