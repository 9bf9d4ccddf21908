"""The logger for runs: its name, and whether it is configured. This module imports no logging."""

from __future__ import annotations

import sys

LOGGER = "lokki_tf"
"""The name of the logger for runs."""


def is_configured() -> bool:
    """Return whether :func:`configure_logging` or the user has configured the logger.

    The logger is configured if it has a level, or a handler that writes.
    """
    logging = sys.modules.get("logging")
    if logging is None:
        return False
    logger = logging.root.manager.loggerDict.get(LOGGER)
    return isinstance(logger, logging.Logger) and (
        logger.level != logging.NOTSET
        or any(type(handler) is not logging.NullHandler for handler in logger.handlers)
    )
