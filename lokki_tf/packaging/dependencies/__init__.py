"""Third-party packages.

Stages: compare imports with what a step declares (:mod:`.third_party`); resolve what is declared
with uv (:mod:`.uv`) into a lock; install it, cached (:mod:`.layer_cache`), into a layer
(:mod:`.layers`).
"""
