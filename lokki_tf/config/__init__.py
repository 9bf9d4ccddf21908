"""Settings from ``lokki.toml`` and environment variables, and their defaults.

``settings`` declares them as frozen dataclasses, with the ``rules`` for their values. ``kinds``
validates tables against both, ``toml`` reads files and finds the lines of values, and ``load``
merges everything. ``image_names`` derives what images are called.

pydantic-settings would be the alternative. Its import takes 115 ms in every command, three times as
long as that of lokki_tf. Its errors contain neither the line in the file nor the name that was
probably meant, and it would be the only compiled dependency of a plain installation.
"""

from .load import ENVIRONMENT, FILE_NAME, STAGE_VARIABLE, load_config, stage_in_environment
from .local_refs import local_value
from .rules import is_loopback, refuse_region
from .settings import (
    AwsConfig,
    BatchConfig,
    Config,
    ImageConfig,
    LambdaConfig,
    LocalConfig,
    LoggingConfig,
    ScheduleConfig,
    StateMachineConfig,
    TerraformConfig,
    VpcConfig,
)

__all__ = [
    "ENVIRONMENT",
    "FILE_NAME",
    "STAGE_VARIABLE",
    "AwsConfig",
    "BatchConfig",
    "Config",
    "ImageConfig",
    "LambdaConfig",
    "LocalConfig",
    "LoggingConfig",
    "ScheduleConfig",
    "StateMachineConfig",
    "TerraformConfig",
    "VpcConfig",
    "is_loopback",
    "load_config",
    "local_value",
    "refuse_region",
    "stage_in_environment",
]
