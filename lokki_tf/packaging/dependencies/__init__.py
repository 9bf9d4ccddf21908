"""Third-party packages.

Stages: compare imports with a step's declared packages (:mod:`.third_party`); resolve these with uv
(:mod:`.uv`) into a lock; install it, cached (:mod:`.layer_cache`), into a layer (:mod:`.layers`).
"""
