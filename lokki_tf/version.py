"""The version of lokki_tf."""

__version__ = "0.2.0"
