"""The version of lokki_tf."""

__version__ = "0.1.0"
