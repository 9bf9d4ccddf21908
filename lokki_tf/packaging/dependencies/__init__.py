"""Third-party packages: what a step needs and declares, resolved and built into layers by uv."""
