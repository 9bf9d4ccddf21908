"""The life of a pipeline after ``synth``: deployed, started, watched, mended, taken down.

:mod:`.program` runs Terraform and :mod:`.complaints` tells what it complains of, :mod:`.plans`
puts its plans into words, and :mod:`.deploying` goes from a plan to what stands, and back.
:mod:`.clients` is the one way to AWS, where :mod:`.refusals` gives each error a remedy.
:mod:`.stack` finds what stands; :mod:`.runs` starts, lists and redrives executions,
:mod:`.history` reads what became of each step, :mod:`.following` tells it while it happens,
:mod:`.failures` finds out what failed, :mod:`.results` reads results and :mod:`.logs` what
the steps have said.

This file loads nothing: boto3 is there only for who installed it, and loads when AWS is called.
"""
