"""Commands for a pipeline after ``synth``: deploy, start, watch, redrive, destroy.

:mod:`.program` runs Terraform, :mod:`.complaints` explains its errors, :mod:`.plans` summarizes its
plans, and :mod:`.deploying` applies them. :mod:`.clients` makes all calls of AWS, and
:mod:`.refusals` adds a remedy to each error of AWS. :mod:`.stack` finds the deployed pipeline;
:mod:`.runs` starts, lists and redrives executions, :mod:`.history` reads the outcome of each step,
:mod:`.following` reports it while the execution runs, :mod:`.failures` finds the step that failed,
:mod:`.backfilling` starts one for each of many values, which :mod:`.backfill_values` and
:mod:`.intervals` read. :mod:`.results` reads values and :mod:`.logs` reads logs.

:mod:`.execution` is all of this as an object, which commands and programs use. :mod:`.states` and
:mod:`.outputs` return the states and results of its steps, :mod:`.calls` returns the arguments of a
step for a replay, and :mod:`.seeds` what a local run takes from it. :mod:`.report` makes the
report, and :mod:`.by_arn` makes it without the pipeline's code: :mod:`.read_back` reads the
definition from the state machine, and :mod:`.plain` is for other state machines.

This file imports nothing. boto3 is optional and is imported when AWS is called.
"""
