"""An interpreter of the Amazon States Language in JSONPath, as strict as AWS is.

From the text of a definition to a finished execution, one module a stage:

1. ``paths`` and ``intrinsics`` parse and apply ``$.a[0]``, ``$$.State``, ``$variable`` and
   ``States.Format(…)``; ``templates`` puts their values into a payload template.
2. ``definition`` refuses what ``CreateStateMachine`` refuses.
3. ``frame`` is the place of a state at run time: variables, context object, history, the right
   to go on.
4. ``interpreter`` walks the states; ``flow``, ``choice``, ``tasks``, ``parallel``, ``maps`` and
   ``distributed`` run one kind each.
5. ``execution`` is one run of a machine, as ``DescribeExecution`` and ``GetExecutionHistory``
   show it.

Why not moto's own interpreter: it starts a thread and copies all data for each state, and it
knows no limits of variables and scopes, which are what our property tests are about.
Nothing of moto is imported here: what an execution needs of its account is ``services.Services``.
"""
