"""Build contexts of container images."""
