"""Lambda without Docker: the deployed zip and its layers run in worker processes that stay warm.

``bundles`` unpacks code, ``workers`` are the processes, ``pool`` keeps them warm and ``runner``
invokes as Lambda does; ``bootstrap`` and ``sdk_preload`` are the program inside, which leans on
the standard library alone.
"""
