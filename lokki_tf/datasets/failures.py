"""The error of a dataset that cannot be read."""

from __future__ import annotations


class DatasetError(Exception):
    """A dataset cannot be read; in AWS the map fails with ``States.ItemReaderFailed``."""
