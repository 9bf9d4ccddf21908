"""Build contexts of container images.

Steps, lock and Dockerfile are collected, and written as a tar for the engine (:mod:`.context`).
"""
