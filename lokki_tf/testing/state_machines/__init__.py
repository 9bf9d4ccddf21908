"""An interpreter for state machines in the Amazon States Language (ASL) with JSONPath.

It enforces the rules and limits of AWS Step Functions. The stages, with their modules:

1. ``definition`` checks the JSON of a state machine definition and returns the findings that
   ``CreateStateMachine`` would report.
2. ``execution`` runs a definition once. It holds the data that ``DescribeExecution`` and
   ``GetExecutionHistory`` return.
3. ``interpreter`` runs the states one after another. ``flow``, ``choice``, ``tasks``,
   ``parallel``, ``maps`` and ``distributed`` each run one type of state.
4. ``frame`` holds what a running state uses: variables, context object, history, and the cancel
   scope that stops it.
5. ``paths`` and ``intrinsics`` parse and evaluate expressions such as ``$.a[0]``, ``$$.State``,
   ``$variable`` and ``States.Format(…)``. ``templates`` evaluates the payload templates that
   contain them.

moto has an interpreter of its own. It is not used because it starts a thread and copies all data
for each state, and does not enforce the limits of variables and scopes, which the property tests
need. This package does not import moto: executions reach the account through the protocol
``services.Services``.
"""
