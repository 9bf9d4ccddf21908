"""Settings: what stands in ``lokki.toml`` and in the environment, and the defaults.

``settings`` declares them, as frozen dataclasses: the one table of what there is, with the
``rules`` for their values. ``kinds`` holds values against both, ``toml`` reads files and finds
lines in them, ``load`` puts all together.

By hand, where pydantic-settings was the other choice: importing that takes 115 ms, three
times as long as all of lokki_tf, at every command; its errors know a field but neither
its line in the file nor the name that was meant; and it would be the one compiled package
that a plain install brings. What it does for us is the two hundred lines of this package.
"""

from .load import ENVIRONMENT, FILE_NAME, load_config
from .rules import REGION, is_loopback
from .settings import (
    AwsConfig,
    BatchConfig,
    Config,
    ImageConfig,
    LambdaConfig,
    LoggingConfig,
    MachineConfig,
    ScheduleConfig,
    TerraformConfig,
    VpcConfig,
)

__all__ = [
    "ENVIRONMENT",
    "FILE_NAME",
    "REGION",
    "AwsConfig",
    "BatchConfig",
    "Config",
    "ImageConfig",
    "LambdaConfig",
    "LoggingConfig",
    "MachineConfig",
    "ScheduleConfig",
    "TerraformConfig",
    "VpcConfig",
    "is_loopback",
    "load_config",
]
