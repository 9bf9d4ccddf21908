"""The commands of ``lokki-tf``, which belong to no single pipeline."""
