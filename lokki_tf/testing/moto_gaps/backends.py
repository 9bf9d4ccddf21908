"""Let moto forget resources that are deleted, and find its backends without searching.

moto keeps a list of all instances of each of its classes for its dashboard, so that deleted objects
and log events stay in memory. It also compares all services for each access to one of them.
"""

from __future__ import annotations

from typing import Any


def forget_instances() -> None:
    """Replace the method of moto's classes that lists each instance."""
    from moto.core.common_models import BaseModel

    def new(cls: type[Any], *arguments: Any, **more: Any) -> Any:
        return object.__new__(cls)

    setattr(BaseModel, "__new__", new)  # noqa: B010


def find_backends_at_once() -> None:
    """Replace the method that returns the backends of an account."""
    from moto.core.base_backend import BackendDict

    plain = BackendDict.__getitem__

    def get(self: Any, account_id: str) -> Any:
        found = self.get(account_id)
        return plain(self, account_id) if found is None else found

    setattr(BackendDict, "__getitem__", get)  # noqa: B010
