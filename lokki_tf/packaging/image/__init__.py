"""Build contexts of container images.

Stages: name the image (:mod:`.names`); collect steps, lock and Dockerfile, and write
them as a tar for the engine (:mod:`.context`).
"""
