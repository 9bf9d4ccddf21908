"""Where Terraform and its AWS provider come from on a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from lokki_tf import terraform_cli
from lokki_tf.errors import MissingToolError
from lokki_tf.terraform_cli import Program, ProviderSource, find_provider

TERRAFORM = Program("/usr/bin/terraform", "1.11.4")
TOFU = Program("/usr/bin/tofu", "1.9.0")
PLATFORM = terraform_cli._platform()
PROVIDER = "registry.terraform.io/hashicorp/aws"
BLOCK = "provider_installation {\n  direct {}\n}\n"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a mirror, from which the registry is out of reach."""
    system = tmp_path / "opt"
    system.mkdir()
    monkeypatch.setattr(terraform_cli, "_SYSTEM_FOLDERS", (f"{system}", f"{system}/*"))
    monkeypatch.setattr(terraform_cli, "_is_reachable", lambda registry: False)
    return system


def mirror(folder: Path, version: str = "6.2.0", *, packed: bool = False) -> Path:
    """Make a folder a mirror of one version for this platform."""
    place = folder / PROVIDER
    if packed:
        place.mkdir(parents=True)
        (place / f"terraform-provider-aws_{version}_{PLATFORM}.zip").touch()
    else:
        (place / version / PLATFORM).mkdir(parents=True)
    return folder


def environ(tmp_path: Path, **more: str) -> dict[str, str]:
    """An environment with an empty home."""
    return {"HOME": str(tmp_path / "home"), "XDG_DATA_DIRS": str(tmp_path / "share"), **more}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("place", ["plugins", "vendor/plugins"])
def test_a_mirror_for_all_users_is_found(
    tmp_path: Path, machine: Path, place: str, packed: bool
) -> None:
    """A mirror in a system-wide folder, packed or unpacked, becomes a CLI configuration."""
    folder = mirror(machine / place, packed=packed)
    source = find_provider(TERRAFORM, environ(tmp_path))
    assert source == ProviderSource(folder, None, ("6.2.0",))
    written = source.environment(tmp_path / "scratch")["TF_CLI_CONFIG_FILE"]
    assert f'path = "{folder}"' in Path(written).read_text()


def test_a_mirror_deeper_in_the_disk_is_not_searched_for(tmp_path: Path, machine: Path) -> None:
    """The disk is not searched: three folders below a system-wide one is too deep."""
    mirror(machine / "a" / "b" / "c")
    with pytest.raises(MissingToolError, match="cannot be reached"):
        find_provider(TERRAFORM, environ(tmp_path))


def test_a_mirror_for_another_platform_or_registry_is_none(tmp_path: Path, machine: Path) -> None:
    """Only a mirror of the program's registry with a version for this platform counts."""
    (machine / "plugins" / PROVIDER / "6.2.0" / "plan9_mips").mkdir(parents=True)
    with pytest.raises(MissingToolError, match=r"registry\.terraform\.io cannot be reached"):
        find_provider(TERRAFORM, environ(tmp_path))
    mirror(machine / "plugins")
    assert find_provider(TERRAFORM, environ(tmp_path)).mirror == machine / "plugins"
    with pytest.raises(MissingToolError, match=r"registry\.opentofu\.org cannot be reached"):
        find_provider(TOFU, environ(tmp_path))


def test_the_users_configuration_comes_first(tmp_path: Path, machine: Path) -> None:
    """An installation method of the user's is used as it is, even beside a named mirror."""
    file = tmp_path / "own.tfrc"
    file.write_text(BLOCK)
    mirror(machine / "plugins")
    given = environ(
        tmp_path, TF_CLI_CONFIG_FILE=str(file), LOKKI_PROVIDER_MIRROR=str(machine / "plugins")
    )
    source = find_provider(TERRAFORM, given)
    assert source == ProviderSource(configuration=file)
    assert source.environment(tmp_path) == {}


def test_a_configuration_without_installation_methods_is_kept(
    tmp_path: Path, machine: Path
) -> None:
    """The user's credentials and other settings are kept in the configuration with the mirror."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".terraformrc").write_text('credentials "example.com" {}\n')
    mirror(machine / "plugins")
    source = find_provider(TERRAFORM, environ(tmp_path))
    text = Path(source.environment(tmp_path)["TF_CLI_CONFIG_FILE"]).read_text()
    assert 'credentials "example.com" {}' in text
    assert "filesystem_mirror" in text


def test_a_configuration_that_does_not_exist_is_passed_over(tmp_path: Path, machine: Path) -> None:
    """Where TF_CLI_CONFIG_FILE names a missing file, a mirror is used; without one it is named."""
    given = environ(tmp_path, TF_CLI_CONFIG_FILE=str(tmp_path / "missing.tfrc"))
    with pytest.raises(MissingToolError, match=r"missing\.tfrc, which does not exist"):
        find_provider(TERRAFORM, given)
    mirror(machine / "plugins")
    assert find_provider(TERRAFORM, given).mirror == machine / "plugins"


def test_a_named_mirror_is_used_or_refused(tmp_path: Path, machine: Path) -> None:
    """LOKKI_PROVIDER_MIRROR is used before any other mirror; any other folder is an error."""
    mirror(machine / "plugins", "5.100.0")
    named = mirror(tmp_path / "named", "6.3.0")
    given = environ(tmp_path, LOKKI_PROVIDER_MIRROR=str(named))
    assert find_provider(TERRAFORM, given) == ProviderSource(named, None, ("6.3.0",))
    given = environ(tmp_path, LOKKI_PROVIDER_MIRROR=str(tmp_path / "empty"))
    with pytest.raises(MissingToolError, match="LOKKI_PROVIDER_MIRROR is") as caught:
        find_provider(TERRAFORM, given)
    assert "terraform providers mirror" in str(caught.value.remedy)


@pytest.mark.parametrize("place", ["home/.terraform.d/plugins", "share/terraform/plugins"])
def test_implied_mirrors_are_terraforms_own_affair(tmp_path: Path, place: str) -> None:
    """What Terraform finds by itself needs no configuration."""
    mirror(tmp_path / place)
    assert find_provider(TERRAFORM, environ(tmp_path)) == ProviderSource()


def test_a_registry_in_reach_is_used(
    tmp_path: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the registry answers, a system-wide mirror is not used."""
    mirror(machine / "plugins")
    monkeypatch.setattr(terraform_cli, "_is_reachable", lambda registry: True)
    assert find_provider(TERRAFORM, environ(tmp_path)) == ProviderSource()
