"""Batch's jobs: what was ordered, and the life of a job from SUBMITTED to its end.

``orders`` puts a job definition and what was submitted together, ``sizes`` knows what Fargate
offers, ``job`` runs the ``attempts``, ``retries`` says whether one is followed by another, and
``site`` is what all jobs share. Nothing of moto is imported here.
"""
