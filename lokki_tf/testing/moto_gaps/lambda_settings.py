"""Store settings of Lambda functions that moto ignores.

Without them, Terraform would plan to change the functions again after each ``apply``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_KEPT = ("LoggingConfig", "DeadLetterConfig", "FileSystemConfigs")
"""The settings that moto does not store."""
_ATTRIBUTES = {"TracingConfig": "tracing_config", "KMSKeyArn": "kms_key_arn"}
"""The settings that moto stores for new functions but ignores in updates, with attributes."""


def keep_settings() -> None:
    """Replace moto's methods that create, update and describe functions."""
    from moto.awslambda.models import ImageConfig, LambdaFunction

    create, update = LambdaFunction.__init__, LambdaFunction.update_configuration
    configuration, update_code = (
        LambdaFunction.get_configuration,
        LambdaFunction.update_function_code,
    )

    def init(self: Any, account_id: str, spec: dict[str, Any], *rest: Any, **more: Any) -> None:
        self.kept_settings = {}
        create(self, account_id, spec, *rest, **more)
        _keep(self, spec)

    def update_configuration(self: Any, config_updates: dict[str, Any]) -> dict[str, Any]:
        _keep(self, config_updates)
        for name, attribute in _ATTRIBUTES.items():
            if name in config_updates:
                setattr(self, attribute, config_updates[name])
        if "EphemeralStorage" in config_updates:
            self.ephemeral_storage = config_updates["EphemeralStorage"]["Size"]
        if "ImageConfig" in config_updates:
            self.image_config = ImageConfig(config_updates["ImageConfig"] or {})
        update(self, config_updates)
        found: dict[str, Any] = self.get_configuration()
        return found

    def update_function_code(self: Any, updated_spec: dict[str, Any]) -> dict[str, Any]:
        if "Architectures" in updated_spec:
            self.architectures = updated_spec["Architectures"]
        return update_code(self, updated_spec)

    def get_configuration(self: Any, on_create: bool = False) -> dict[str, Any]:
        found = configuration(self, on_create)
        if not any(found.get("ImageConfigResponse", {}).get("ImageConfig", {}).values()):
            found.pop("ImageConfigResponse", None)  # AWS omits an empty ImageConfig
        return {**found, **self.kept_settings}

    for name, replacement in {
        "__init__": init,
        "update_configuration": update_configuration,
        "update_function_code": update_function_code,
        "get_configuration": get_configuration,
    }.items():
        setattr(LambdaFunction, name, replacement)


def _keep(function: Any, spec: Mapping[str, Any]) -> None:
    kept = {name: spec[name] for name in _KEPT if spec.get(name)}
    if "LoggingConfig" in kept:
        logging = {"LogFormat": "Text", **kept["LoggingConfig"]}
        if logging["LogFormat"] == "JSON":
            logging = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", **logging}
        logging.setdefault("LogGroup", f"/aws/lambda/{function.function_name}")
        function.logs_group_name = logging["LogGroup"]
        kept["LoggingConfig"] = logging
    # Make a new dict, because published versions of the function share the old one.
    function.kept_settings = {**function.kept_settings, **kept}
