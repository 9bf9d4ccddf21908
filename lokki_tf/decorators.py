"""The decorators and ``RetryConfig``, where lokki's users look for them."""

from .authoring import step
from .model import RetryConfig
from .pipeline import flow

__all__ = ["RetryConfig", "flow", "step"]
