"""The zip of each step.

Stages: cut every step and add the classes of values that it may receive (:mod:`.steps`); fill the
template (:mod:`.template`); add the runtime, the stub of lokki_tf and data files (:mod:`.package`,
:mod:`.runtime_files`); explain why each file is included (:mod:`.explain`).
"""
