"""Terraform on this computer: the program, and where it gets the provider ``hashicorp/aws``.

Not every computer reaches Terraform's registry. :func:`find_provider` looks, in this order, at

1. the ``provider_installation`` of the user's CLI configuration, which is used as it is,
2. the mirror that ``LOKKI_PROVIDER_MIRROR`` names,
3. Terraform's implied local mirror directories,
4. the registry,
5. the folders in which administrators keep mirrors for all users of a computer.

Source: Terraform's documentation, "CLI configuration file": "Provider installation", "Implied local
mirror directories".
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lokki_tf.errors import MissingToolError

PROGRAM_VARIABLE = "LOKKI_TERRAFORM"
MIRROR_VARIABLE = "LOKKI_PROVIDER_MIRROR"
OLDEST = (1, 5)
INSTALL = "install it from https://developer.hashicorp.com/terraform/install"
_CONFIG_VARIABLE = "TF_CLI_CONFIG_FILE"
_REGISTRY_SECONDS = 5
_SYSTEM_FOLDERS = (
    *("/opt", "/opt/*", "/srv", "/srv/*", "/var/lib", "/var/cache"),
    *("/usr/local", "/usr/local/share", "/usr/local/lib", "/usr/share", "/usr/lib"),
)
"""Folders of which each subfolder may be a mirror."""


@dataclass(frozen=True, slots=True)
class Program:
    """Terraform or OpenTofu.

    Args:
        path: Path of the program.
        version: Its version.
    """

    path: str
    version: str

    @property
    def registry(self) -> str:
        """Host name of the registry that it takes providers from."""
        is_tofu = Path(self.path).name.startswith("tofu")
        return "registry.opentofu.org" if is_tofu else "registry.terraform.io"


@dataclass(frozen=True, slots=True)
class ProviderSource:
    """Where Terraform gets the provider.

    Args:
        mirror: The folder of a mirror that has to be configured; ``None`` if Terraform finds the
            provider by itself.
        configuration: The user's CLI configuration, if there is one.
        versions: The versions that the mirror has for this platform.
    """

    mirror: Path | None = None
    configuration: Path | None = None
    versions: tuple[str, ...] = ()

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the variables with which Terraform uses this source.

        Args:
            folder: Where a CLI configuration is written, if one is needed.
        """
        if self.mirror is None:
            return {}
        own = self.configuration.read_text() if self.configuration else ""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "lokki.tfrc"
        file.write_text(f"{own}\n{installation(self.mirror)}")
        return {_CONFIG_VARIABLE: str(file)}


def typed_program(environ: Mapping[str, str] = os.environ) -> str:
    """Return what a user types to run :func:`find_program`'s program, found or not.

    Args:
        environ: Environment variables.
    """
    named = environ.get(PROGRAM_VARIABLE)
    if named:
        return shlex.quote(named)
    path = environ.get("PATH")
    only_tofu = not shutil.which("terraform", path=path) and shutil.which("tofu", path=path)
    return "tofu" if only_tofu else "terraform"


def find_program(environ: Mapping[str, str] = os.environ) -> Program:
    """Return the Terraform or OpenTofu that the user has.

    Args:
        environ: Environment variables.

    Raises:
        MissingToolError: If neither is installed, or it is too old.
    """
    named = environ.get(PROGRAM_VARIABLE)
    for name in (named,) if named else ("terraform", "tofu"):
        path = shutil.which(name, path=environ.get("PATH"))
        if path:
            return Program(path, _version(path))
    if named:
        raise MissingToolError(
            f"{PROGRAM_VARIABLE} is {named!r}, and that program does not exist",
            remedy="set it to the path of Terraform or OpenTofu, or unset it",
        )
    raise MissingToolError(
        "neither terraform nor tofu is on the PATH",
        remedy=f"{INSTALL}, or set {PROGRAM_VARIABLE} to its path",
    )


def find_provider(program: Program, environ: Mapping[str, str] = os.environ) -> ProviderSource:
    """Return where Terraform gets the provider ``hashicorp/aws``.

    Args:
        program: The Terraform that will be run.
        environ: Environment variables.

    Raises:
        MissingToolError: If the provider cannot be obtained.
    """
    found_here = provider_on_computer(program, environ)
    if found_here is not None:
        return found_here
    configuration = _user_configuration(environ)
    if _is_reachable(program.registry):
        return ProviderSource(configuration=configuration)
    found = find_mirror(program.registry)
    if found is None:
        missing = (
            ""
            if configuration or not environ.get(_CONFIG_VARIABLE)
            else (f"; {_CONFIG_VARIABLE} names {environ[_CONFIG_VARIABLE]}, which does not exist")
        )
        raise MissingToolError(
            f"{program.registry} cannot be reached, and no folder of this computer mirrors the "
            f"provider hashicorp/aws{missing}",
            remedy=f"set {MIRROR_VARIABLE} to a folder that `terraform providers mirror` has "
            "written, or HTTPS_PROXY to a proxy",
        )
    return ProviderSource(found, configuration, _versions(found, program.registry))


def provider_on_computer(
    program: Program, environ: Mapping[str, str] = os.environ
) -> ProviderSource | None:
    """Return where Terraform gets the provider without its registry; ``None`` if nowhere.

    Folders in which administrators keep mirrors are not among these places: they are used if the
    registry cannot be reached.

    Args:
        program: The Terraform that will be run.
        environ: Environment variables.

    Raises:
        MissingToolError: If ``LOKKI_PROVIDER_MIRROR`` names a folder without the provider.
    """
    configuration = _user_configuration(environ)
    if configuration and "provider_installation" in configuration.read_text():
        return ProviderSource(configuration=configuration)
    named = environ.get(MIRROR_VARIABLE)
    if named:
        return _named_mirror(Path(named), program, configuration)
    implied = (_versions(folder, program.registry) for folder in _implied_folders(environ))
    return ProviderSource(configuration=configuration) if any(implied) else None


def find_mirror(registry: str) -> Path | None:
    """Return a mirror that an administrator keeps for all users of this computer, if there is one.

    Args:
        registry: Host name of the registry that is mirrored.
    """
    folders = (folder for pattern in _SYSTEM_FOLDERS for folder in _matching(f"{pattern}/*"))
    return next((folder for folder in folders if _versions(folder, registry)), None)


def installation(mirror: Path) -> str:
    """Return the block of a CLI configuration that takes providers from a mirror."""
    path = str(mirror).replace("\\", "\\\\").replace('"', '\\"')
    return f'provider_installation {{\n  filesystem_mirror {{\n    path = "{path}"\n  }}\n}}\n'


def _version(path: str) -> str:
    try:
        done = subprocess.run(
            [path, "version", "-json"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingToolError(f"{path} does not run: {error}", remedy=INSTALL) from None
    found = re.search(r"(\d+)\.(\d+)\.\d+[\w.-]*", done.stdout)
    if found is None:
        raise MissingToolError(f"{path} does not tell its version", remedy=INSTALL)
    if (int(found[1]), int(found[2])) < OLDEST:
        raise MissingToolError(
            f"{path} is version {found[0]}, and {'.'.join(map(str, OLDEST))} or later is needed",
            remedy=f"{INSTALL}, or set {PROGRAM_VARIABLE} to a newer one",
        )
    return found[0]


def _user_configuration(environ: Mapping[str, str]) -> Path | None:
    """The user's CLI configuration; Terraform ignores one that does not exist."""
    named = environ.get(_CONFIG_VARIABLE)
    if named:
        paths = [Path(named)]
    elif sys.platform == "win32":
        paths = [Path(environ.get("APPDATA", ""), "terraform.rc")]
    else:
        home = _home(environ)
        paths = [home / ".terraformrc", home / ".tofurc"]
    return next((path for path in paths if path.is_file()), None)


def _named_mirror(folder: Path, program: Program, configuration: Path | None) -> ProviderSource:
    versions = _versions(folder, program.registry)
    if not versions:
        raise MissingToolError(
            f"{MIRROR_VARIABLE} is {str(folder)!r}, which has no {program.registry}/hashicorp/aws "
            f"for {_platform()}",
            remedy="name a folder that `terraform providers mirror` has written, or unset it",
        )
    return ProviderSource(folder.absolute(), configuration, versions)


def _implied_folders(environ: Mapping[str, str]) -> Iterator[Path]:
    home = _home(environ)
    if sys.platform == "win32":
        yield Path(environ.get("APPDATA", ""), "terraform.d", "plugins")
        yield Path(environ.get("APPDATA", ""), "HashiCorp", "Terraform", "plugins")
        return
    yield home / ".terraform.d" / "plugins"
    if sys.platform == "darwin":
        yield home / "Library/Application Support/io.terraform/plugins"
        yield Path("/Library/Application Support/io.terraform/plugins")
        return
    data = environ.get("XDG_DATA_HOME") or home / ".local" / "share"
    system = environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    for folder in (data, *filter(None, system.split(":"))):
        yield Path(folder, "terraform", "plugins")


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ["HOME"]) if environ.get("HOME") else Path.home()


def _versions(folder: Path, registry: str) -> tuple[str, ...]:
    """The versions of the provider that a mirror has for this platform, packed or unpacked."""
    provider = folder / registry / "hashicorp" / "aws"
    unpacked = (path.parent.name for path in _matching(f"{provider}/*/{_platform()}"))
    name = re.compile(rf"terraform-provider-aws_(.+)_{_platform()}\.zip")
    packed = (name.fullmatch(path.name) for path in _matching(f"{provider}/*.zip"))
    return tuple(sorted({*unpacked, *(match[1] for match in packed if match)}))


def _matching(pattern: str) -> Iterable[Path]:
    """Paths that match a pattern; folders that cannot be read have none."""
    parts = Path(pattern).parts
    found = [Path(parts[0])]
    for part in parts[1:]:
        if "*" in part:
            found = [path for folder in found for path in _listed(folder) if path.match(part)]
        else:
            found = [folder / part for folder in found]
    return [path for path in found if _exists(path)]


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _platform() -> str:
    machine = platform.machine().lower()
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return f"{platform.system().lower()}_{architecture}"


@cache
def _is_reachable(registry: str) -> bool:
    """Whether the registry answers; a proxy of the environment is used, as Terraform does."""
    url = f"https://{registry}/.well-known/terraform.json"
    try:
        with urllib.request.urlopen(url, timeout=_REGISTRY_SECONDS):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
