"""Batch's jobs: what was ordered, and the life of a job from SUBMITTED to its end.

``orders`` puts a job definition and what was submitted together, ``retries`` says whether an
attempt is followed by another, ``job`` runs the attempts. Nothing of moto is imported here.
"""
