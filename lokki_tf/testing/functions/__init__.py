"""Lambda: functions run in processes, or containers, that stay warm.

Of a deployed zip ``bundles`` unpacks code and layers, and ``workers`` are the processes;
``bootstrap`` and ``sdk_preload`` are the program inside, which leans on the standard library alone.
Of a function that is an image, ``sandboxes`` runs the image's program, which asks ``runtime_api``
for events. ``deployed`` says what a function is, ``pool`` keeps both kinds warm and ``runner``
invokes as Lambda does.
"""
