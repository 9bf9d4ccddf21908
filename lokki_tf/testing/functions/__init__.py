"""Run Lambda functions in processes or containers, which are reused as in AWS.

The stages of an invocation:

1. ``runner`` takes a function and an event (types in ``deployed``), and returns the result, errors
   and log of Lambda.
2. ``pool`` returns an idle process for the function or starts a new one.
3. For a zip, ``bundles`` unpacks the code and the layers, and ``workers`` starts a process.
   ``bootstrap``, ``sdk_preload`` and ``sandbox_files`` are the program of this process. They import
   the standard library only.
4. For an image, ``sandboxes`` starts the image's program, which requests its events from
   ``runtime_api``.
"""
