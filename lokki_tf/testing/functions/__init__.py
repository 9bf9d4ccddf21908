"""Lambda without Docker: the deployed zip and its layers run in worker processes that stay warm.

``bundles`` unpacks code, ``workers`` holds the processes, ``runner`` invokes as Lambda does;
``bootstrap`` is the program inside, which leans on the standard library alone.
"""
