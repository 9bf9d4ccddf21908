"""Settings from files and environment variables."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from lokki_tf.config import ENVIRONMENT, Config, LambdaConfig, LoggingConfig, load_config
from lokki_tf.config.load import deep_merge
from lokki_tf.errors import ConfigError, DefinitionError

README = """
build_dir = "lokki-build"

[aws]
artifact_bucket = "my-lokki-artifacts"
image_repository = "local"  # or an ECR prefix
endpoint = ""  # for LocalStack: "http://localhost:4566"

[lambda]
package_type = "image"
timeout = 900
memory = 512
image_tag = "latest"

[lambda.env]
LOG_LEVEL = "INFO"

[batch]
job_queue = "my-batch-queue"
job_definition_name = "lokki-batch"
vcpu = 4
memory_mb = 8192
timeout_seconds = 3600

[logging]
level = "INFO"
format = "human"
"""


EARLIER_NAME = "ignore:.* is deprecated. the name is:DeprecationWarning"


class Folders:
    """A folder with a lokki.toml, and a home folder with another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        self.home = folder / "home"
        self.folder.mkdir()
        (self.home / ".lokki").mkdir(parents=True)

    def load(
        self, local: str = "", of_user: str = "", stage: str | None = None, **environ: str
    ) -> Config:
        if local:
            (self.folder / "lokki.toml").write_text(local, encoding="utf-8")
        if of_user:
            (self.home / ".lokki/lokki.toml").write_text(of_user, encoding="utf-8")
        return load_config(self.folder, {"HOME": str(self.home), **environ}, stage=stage)

    def refused(self, local: str = "", **more: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            self.load(local, **more)
        return str(caught.value).replace(f"{self.folder}/", "").replace(str(self.home), "~")


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def test_a_misspelt_table_of_stages_is_refused(folders: Folders) -> None:
    """``[stages.prod]`` is an error that names ``[stage.prod]``."""
    error = folders.refused("[stages.prod.lambda]\nmemory_size = 512\n")
    assert "there is no table [stages]\n  at lokki.toml:1" in error
    assert "did you mean [stage.prod]?" in error


def test_a_table_that_is_spelt_almost_like_stage_is_read(folders: Folders) -> None:
    """``[image]`` is a table of its own."""
    assert folders.load("[image]\nkeep = 7\n").image.keep == 7


def test_without_a_file_the_defaults_hold(folders: Folders) -> None:
    """A folder without settings has the defaults, terraform-out and zips among them."""
    config = folders.load()
    assert config == Config()
    assert config.build_dir == "terraform-out"
    assert config.lambda_.package == "zip"


@pytest.mark.filterwarnings(EARLIER_NAME)
def test_lokkis_own_file_is_read(folders: Folders) -> None:
    """The lokki.toml in lokki's README is accepted; an empty string unsets a setting."""
    config = folders.load(README)
    assert config.build_dir == "lokki-build"
    assert config.aws.artifact_bucket == "my-lokki-artifacts"
    assert config.aws.endpoint is None
    expected = LambdaConfig(package="image", image_tag="latest", env={"LOG_LEVEL": "INFO"})
    assert config.lambda_ == expected
    assert (config.batch.job_queue, config.batch.vcpu) == ("my-batch-queue", 4)
    assert config.logging == LoggingConfig()


EARLIER = """\
[machine]
log_level = "OFF"
[lambda]
memory = 1024
package_type = "image"
runtime = "python3.12"
timeout = 60
[stage.prod.lambda]
memory = 2048
[stage.machine.machine]
tracing = false
"""


@pytest.mark.filterwarnings(EARLIER_NAME)
def test_earlier_names_are_accepted(folders: Folders) -> None:
    """Tables and fields have the same effect under their earlier names, in stages as well."""
    with pytest.warns(DeprecationWarning, match="the name is") as warned:
        config = folders.load(EARLIER)
    assert config.state_machine.log_level == "OFF"
    expected = LambdaConfig(
        package="image", timeout_seconds=60, memory_size=1024, python_runtime="python3.12"
    )
    assert config.lambda_ == expected
    shown = {(Path(one.filename).name, one.lineno, str(one.message)) for one in warned}
    assert ("lokki.toml", 4, "lambda.memory is deprecated: the name is memory_size") in shown
    assert ("lokki.toml", 1, "machine is deprecated: the name is state_machine") in shown
    assert len(shown) == 7
    assert folders.load(stage="prod").lambda_.memory_size == 2048
    assert not folders.load(stage="machine").state_machine.tracing


@pytest.mark.filterwarnings(EARLIER_NAME)
def test_a_later_file_wins_under_either_name(folders: Folders) -> None:
    """A field under its earlier name replaces the one of an earlier file, and the reverse."""
    old, new = "[lambda]\nmemory = 128", "[lambda]\nmemory_size = 256"
    assert folders.load(old, new).lambda_.memory_size == 128
    assert folders.load(new, old).lambda_.memory_size == 256


def test_the_folder_wins_over_the_home_and_the_environment_over_both(folders: Folders) -> None:
    """Of several sources for a setting, the one closest to the run wins."""
    local = '[aws]\nartifact_bucket = "local"\nregion = "eu-north-1"'
    of_user = 'build_dir = "mine"\n[aws]\nartifact_bucket = "mine"\nprofile = "me"'
    config = folders.load(local, of_user, LOKKI_ARTIFACT_BUCKET="environment")
    assert config.aws.artifact_bucket == "environment"
    assert config.aws.region == "eu-north-1"
    assert config.aws.profile == "me"
    assert config.build_dir == "mine"
    assert folders.load().aws.artifact_bucket == "local"


@pytest.mark.parametrize(("variable", "path"), sorted(ENVIRONMENT.items()))
def test_each_variable_sets_its_field(
    folders: Folders, variable: str, path: tuple[str, ...]
) -> None:
    """Every variable sets its field; an empty one changes nothing."""
    values = {"LOKKI_AWS_ENDPOINT": "http://here:1", "LOKKI_REGION": "eu-west-1"}
    for given in (values.get(variable, "DEBUG"), ""):
        found: Any = folders.load(**{variable: given})
        expected: Any = Config()
        for name in path:
            found, expected = getattr(found, name), getattr(expected, name)
        assert found == (given or expected)


def test_a_stage_overrides_what_it_names(folders: Folders) -> None:
    """A stage changes its own fields, in nested tables as well, and no others."""
    text = (
        "[lambda]\nmemory_size = 512\ntimeout_seconds = 60\nenv = {A = 'a', B = 'b'}\n"
        "[stage.prod.lambda]\nmemory_size = 2048\nenv = {B = 'prod'}\n"
        "[stage.prod]\nbuild_dir = 'prod-out'\n[stage.dev.lambda]\nmemory_size = 128"
    )
    plain, prod = folders.load(text), folders.load(stage="prod")
    assert (plain.lambda_.memory_size, plain.build_dir) == (512, "terraform-out")
    assert (prod.lambda_.memory_size, prod.lambda_.timeout_seconds) == (2048, 60)
    assert prod.build_dir == "prod-out"
    assert prod.lambda_.env == {"A": "a", "B": "prod"}
    assert folders.load(stage="prod", LOKKI_BUILD_DIR="there").build_dir == "there"


def test_a_stage_unsets_a_setting_with_an_empty_string(folders: Folders) -> None:
    """In a stage, an empty string unsets an optional setting."""
    text = "[aws]\nendpoint = 'http://localhost:4566'\n[stage.prod.aws]\nendpoint = ''"
    assert folders.load(text).aws.endpoint == "http://localhost:4566"
    assert folders.load(stage="prod").aws.endpoint is None


def test_tables_merge_and_all_else_is_replaced() -> None:
    """Values of the second table win, nested tables are merged, and no argument is modified."""
    base = {"a": {"x": 1, "l": [1, 2]}, "b": 1}
    assert deep_merge(base, {"a": {"l": [3], "y": 2}, "b": {"c": 1}}) == {
        "a": {"x": 1, "l": [3], "y": 2},
        "b": {"c": 1},
    }
    assert base == {"a": {"x": 1, "l": [1, 2]}, "b": 1}


def test_choices_are_accepted_in_any_case(folders: Folders) -> None:
    """Choices are accepted in any case and normalised: debug is DEBUG and fargate is FARGATE."""
    config = folders.load("[batch]\nplatform = 'fargate'", LOKKI_LOG_LEVEL="debug")
    assert (config.batch.platform, config.logging.level) == ("FARGATE", "DEBUG")


REFUSALS = {
    "[lambda]\n\nmemroy_size = 512": """\
lokki.toml: [lambda] has no field 'memroy_size'
  at lokki.toml:3
  did you mean 'memory_size'?""",
    "[aws]\nregion = 'eu-north-1'\n\nbuild_dir = 'out'": """\
lokki.toml: [aws] has no field 'build_dir'
  at lokki.toml:4
  build_dir belongs above the first [table]""",
    "memory_mb = 1": """\
lokki.toml: there is no field 'memory_mb'
  at lokki.toml:1
  memory_mb is a field of [batch]""",
    "[lamda]\nmemory = 1": """\
lokki.toml: there is no field 'lamda'
  at lokki.toml:1
  did you mean 'lambda'?""",
    "[schedule]\nx = 1": """\
lokki.toml: [schedule] has no field 'x'
  at lokki.toml:2
  there are timezone, flexible_window_minutes, state, role""",
    "[lambda]\ntimeout_seconds = '15 min'": """\
lokki.toml: lambda.timeout_seconds is '15 min': expected a whole number of at least 0
  at lokki.toml:2""",
    "lambda.timeout_seconds = true": """\
lokki.toml: lambda.timeout_seconds is true: expected a whole number of at least 0
  at lokki.toml:1""",
    "[logging]\nprogress_interval = nan": """\
lokki.toml: logging.progress_interval is nan: expected a number of at least 0
  at lokki.toml:2""",
    "[terraform]\nuse_lockfile = 1": """\
lokki.toml: terraform.use_lockfile is 1: expected true or false
  at lokki.toml:2""",
    "[aws.vpc]\nid = 'vpc-1'\nsubnets = [\n  'a',\n  2,\n]\n": """\
lokki.toml: aws.vpc.subnets is ['a', 2]: expected a list of strings or references
  at lokki.toml:3""",
    "[lambda.env]\nA = 'a'\nPORT = 8080": """\
lokki.toml: lambda.env.PORT is 8080: expected a string or a reference { ref = "…" }
  at lokki.toml:3
  put it in quotes""",
    "lambda = 512": """\
lokki.toml: lambda is 512: expected a table
  at lokki.toml:1
  write [lambda] on a line of its own""",
    "lambda.timeout_seconds = 901": """\
lokki.toml: lambda.timeout_seconds is 901: expected a whole number from 1 to 900
  at lokki.toml:1""",
    "[aws]\nregion = 'mars'": """\
lokki.toml: aws.region is 'mars': expected an AWS region such as 'eu-west-1'
  at lokki.toml:2""",
    "[aws]\nendpoint = 'localhost:4566'": """\
lokki.toml: aws.endpoint is 'localhost:4566': expected a URL such as 'http://localhost:4566'
  at lokki.toml:2""",
    "[schedule]\ntimezone = 'Helsinki'": """\
lokki.toml: schedule.timezone is 'Helsinki': expected a time zone such as 'Europe/Helsinki'
  at lokki.toml:2""",
    "[aws]\nkms_key = 'arn:aws:kms:eu-west-1:123456789012:alias/mine'": """\
lokki.toml: aws.kms_key is 'arn:aws:kms:eu-west-1:123456789012:alias/mine': expected an ARN such \
as 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab'
  at lokki.toml:2""",
    "[terraform]\nbackend = 's4'": """\
lokki.toml: terraform.backend is 's4': expected 'local' or 's3'
  at lokki.toml:2""",
    "[stage.prod.lambda]\nmemory_size = '1 GB'": """\
lokki.toml: stage.prod.lambda.memory_size is '1 GB': expected a whole number of at least 0
  at lokki.toml:2""",
    "[stage.prod.lambda]\nmemory = 1": """\
lokki.toml: stage.prod.lambda.memory is 1: expected a whole number from 128 to 10,240
  at lokki.toml:2""",
    "[lambda]\nmemory_size = 512\nmemory = 512": """\
lokki.toml: lambda.memory is the earlier name of memory_size, which is set as well
  at lokki.toml:3
  remove it""",
    "[stage]\nprod = 1": """\
lokki.toml: stage.prod is 1: expected a table
  at lokki.toml:2
  write [stage.prod.…] on a line of its own""",
    "a = 1\nb = = 2": """\
lokki.toml is not valid TOML: Invalid value
  at lokki.toml:2
  strings need quotes, as in level = "INFO"; tables begin with [name]""",
    "a = 1\nb = [1,\n": """\
lokki.toml is not valid TOML: Invalid value
  at lokki.toml:3
  strings need quotes, as in level = "INFO"; tables begin with [name]""",
}


@pytest.mark.parametrize("text", REFUSALS)
def test_errors_contain_field_line_and_remedy(folders: Folders, text: str) -> None:
    """Errors of fields, types and TOML syntax contain the line and what is expected."""
    assert folders.refused(text) == REFUSALS[text]


def test_the_error_names_the_wrong_file(folders: Folders) -> None:
    """An error in the user's own file names that file, although another is read after it."""
    message = folders.refused(README, of_user="[aws]\nregon = 'x'")
    assert message == (
        "~/.lokki/lokki.toml: [aws] has no field 'regon'\n"
        "  at ~/.lokki/lokki.toml:2\n  did you mean 'region'?"
    )


def test_a_wrong_variable_is_named() -> None:
    """An error in an environment variable contains the variable's name."""
    with pytest.raises(ConfigError) as caught:
        load_config(Path("nowhere"), {"LOKKI_LOG_LEVEL": "WARNIG", "HOME": "/nowhere"})
    assert str(caught.value) == (
        "environment variable LOKKI_LOG_LEVEL: logging.level is 'WARNIG': expected 'DEBUG' or "
        "'INFO' or 'SYSTEM' or 'SUCCESS' or 'WARNING' or 'ERROR'\n  did you mean 'WARNING'?"
    )


def test_an_unknown_stage_is_an_error_with_the_known_ones(folders: Folders) -> None:
    """An unknown stage is an error that lists the stages."""
    message = folders.refused("[stage.prod]\n[stage.dev]", stage="prd")
    assert message == "there is no stage 'prd'; there are: prod, dev\n  did you mean 'prod'?"


def test_unreadable_files_are_errors(folders: Folders) -> None:
    """A folder instead of a file, and bytes that are not text, are errors of the settings."""
    file = folders.folder / "lokki.toml"
    file.mkdir()
    assert folders.refused().startswith("lokki.toml cannot be read: Is a directory")
    file.rmdir()
    file.write_bytes(b"a = 1\nb = '\xff'")
    assert (
        folders.refused() == "lokki.toml is not valid UTF-8\n  at lokki.toml:2\n  save it as UTF-8"
    )


def test_files_written_on_windows_are_read(folders: Folders) -> None:
    """A byte-order mark and CRLF are accepted."""
    (folders.folder / "lokki.toml").write_bytes(b'\xef\xbb\xbfbuild_dir = "out"\r\n[aws]\r\n')
    assert folders.load().build_dir == "out"


def test_settings_are_frozen(folders: Folders) -> None:
    """Settings cannot be modified, nor can their tables and lists."""
    config = folders.load("[lambda.env]\nA = 'a'\n[aws.vpc]\nsubnets = ['s']")
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.build_dir = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.lambda_.env["A"] = "b"  # type: ignore[index]
    assert config.aws.vpc.subnets == ("s",)


def test_errors_are_of_the_definition() -> None:
    """Code that catches errors in a pipeline's definition catches those of settings, too."""
    assert issubclass(ConfigError, DefinitionError)


def test_levels_are_those_of_the_logs() -> None:
    """Every log level can be set, and no other."""
    from lokki_tf import LogLevel

    choices = get_args(get_type_hints(LoggingConfig)["level"])
    assert set(choices) == {level.name for level in LogLevel}


def test_settings_cost_little() -> None:
    """Without a file, loading settings imports no TOML parser and no third-party package."""
    code = (
        "import sys, lokki_tf; from pathlib import Path; before = set(sys.modules)\n"
        "from lokki_tf.config import load_config\n"
        "load_config(Path('nowhere'), {'HOME': '/nowhere'})\n"
        "print([m for m in ('tomllib', 'pydantic', 'difflib') if m in {*sys.modules} - before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "near"),
    [("eu-wst-1", "eu-west-1"), ("us-east1", "us-east-1"),
     ("EU-WEST-1", "eu-west-1"), ("eu-west-11", "eu-west-1"), ("eu-west-9", "eu-west-3")],
)  # fmt: skip
def test_a_misspelt_region_is_refused(name: str, near: str, tmp_path: Path) -> None:
    """A region that AWS does not have is an error with the one that it resembles, of any source."""
    with pytest.raises(ConfigError, match=f"did you mean '{near}'"):
        Config().in_region(name)
    for variable in ("LOKKI_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"):
        with pytest.raises(ConfigError, match=f"variable {variable}: .*'{name}'") as caught:
            load_config(tmp_path, {"HOME": str(tmp_path), variable: name})
        assert caught.value.remedy == f"did you mean '{near}'?"


def test_the_region_in_effect_is_the_one_that_is_checked(tmp_path: Path) -> None:
    """A region of the settings holds before AWS's variables, of which AWS_REGION holds first."""
    given = {"HOME": str(tmp_path), "AWS_DEFAULT_REGION": "nowhere"}
    found = load_config(tmp_path, {**given, "LOKKI_REGION": "eu-west-3"})
    assert found.aws.region == "eu-west-3"
    assert load_config(tmp_path, {**given, "AWS_REGION": "eu-west-3"}).aws.region is None


@pytest.mark.parametrize(
    "name",
    ["eu-west-1", "us-gov-west-1", "cn-northwest-1", "us-iso-east-1", "us-isob-east-1",
     "eu-isoe-west-1", "us-isof-south-1", "eusc-de-east-1", "ap-southeast-7", "mx-central-1",
     "eu-west-4", "ap-northwest-1"],
)  # fmt: skip
def test_regions_of_all_partitions_pass(name: str) -> None:
    """Regions of every partition, and those to come in the same form."""
    assert Config().in_region(name).aws.region == name
