"""IAM: whether a role may do what it is about to do, and a record of every decision.

``policies`` evaluates policy documents, ``conditions`` their conditions. ``requests`` maps an
API request to the actions and resources that IAM checks for it. ``access`` decides for the roles
of an account and records what it decided; ``decisions`` is that record, as tests read it.

Why an own evaluator: moto's (``moto.iam.access_control``) ignores resources and conditions.
Of the evaluators for Python, ``principalmapper`` (AGPL) was last released in 2022, ``iam-ape``
(GPL) computes the rights of a principal and decides on no request, and ``parliament`` and
``policyuniverse`` parse policies without evaluating them. ``@cloud-copilot/iam-simulate`` is
complete and maintained, but it is AGPL and runs in Node, which would be a dependency and a process
of every local AWS. The rules that are needed are few and documented: IAM User Guide, "Policy
evaluation logic" and "IAM JSON policy element reference".
"""
