"""Arguments of the AWS provider's resources, as its bindings list them.

Bindings of two majors cannot be installed at once. So the arguments of those resources that
lokki_tf makes are in ``provider_arguments.json``, by the provider's version. To add or renew a
version, run this file in an environment with the bindings of that version::

    pip install 'cdktf-cdktf-provider-aws==21.*' && python tests/provider_arguments.py
"""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")
CONSTRUCTS = Path(__file__).parents[1] / "lokki_tf" / "terraform" / "constructs"
# The registry's page that documents an argument, in the docstring of its property.
_LINK = re.compile(r"/aws/([\d.]+)/docs[\w/-]*#(\w+)")


def installed() -> Path:
    """Return the folder of the installed bindings."""
    for package in ("cdktf_cdktf_provider_aws", "cdktn_provider_aws"):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            return Path(spec.origin).parent
    raise LookupError("no bindings of the AWS provider are installed")


def modules() -> list[str]:
    """Return the bindings' modules that the constructs use."""
    source = "".join(path.read_text() for path in sorted(CONSTRUCTS.glob("*.py")))
    return sorted(set(re.findall(r"\baws\.([a-z]\w+)\.[A-Z]", source)))


def arguments(bindings: Path) -> tuple[str, dict[str, str]]:
    """Read the provider's version, and the arguments of each resource that lokki_tf makes.

    Args:
        bindings: The folder of the bindings.

    Returns:
        The version, and by type, such as ``data.aws_vpc``, the paths of all arguments, separated
        by spaces, and those in blocks with dots: ``vpc_config.subnet_ids``.
    """
    found = {}
    for name in modules():
        version, kind, paths = _read(bindings / name / "__init__.py", name)
        found[kind] = " ".join(paths)
    return version, found


def _read(file: Path, module: str) -> tuple[str, str, list[str]]:
    structs: dict[str, dict[str, set[str]]] = {}
    version = ""
    for node in ast.parse(file.read_text()).body:
        if not isinstance(node, ast.ClassDef):
            continue
        own = structs.setdefault(node.name, {})
        for member in node.body:
            if not isinstance(member, ast.FunctionDef) or member.returns is None:
                continue
            if match := _LINK.search(ast.get_docstring(member) or ""):
                version = match[1]
                own[match[2]] = set(re.findall(r"\w+", ast.unparse(member.returns)))
    if module == "provider":
        kind = "provider.aws"
    elif module.startswith("data_"):
        kind = "data." + module.removeprefix("data_")
    else:
        kind = f"aws_{module}"
    # Some classes have a letter more than the resource: S3BucketVersioningA.
    stem = module.replace("_", "")
    configs = {f"{stem}config", f"{stem}aconfig", f"aws{stem}config"}
    [config] = [name for name in structs if name.lower() in configs]
    return version, kind, sorted(_paths(structs, config))


def _paths(structs: dict[str, dict[str, set[str]]], struct: str) -> list[str]:
    paths = []
    for argument, types in structs[struct].items():
        paths.append(argument)
        for nested in types & structs.keys():
            paths += [f"{argument}.{path}" for path in _paths(structs, nested)]
    return paths


def read() -> dict[str, dict[str, str]]:
    """Return what the file has, by version."""
    known: dict[str, dict[str, str]] = json.loads(FILE.read_text())
    return known


if __name__ == "__main__":
    version, found = arguments(installed())
    known = {**(read() if FILE.exists() else {}), version: found}
    FILE.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    print(version, len(found), "resources")
