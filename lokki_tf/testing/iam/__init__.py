"""IAM: decide whether a request is allowed by the policies of the account, and record decisions.

The stages of a decision:

1. ``requests`` maps an API request to the IAM actions and resources that must be allowed.
2. ``access`` finds the policies of the role and the resource, and asks for their evaluation.
3. ``policies`` evaluates the policies, and ``conditions`` the conditions in their statements.
4. ``access`` records the decision (type in ``decisions``) and raises an error if it is a denial.

Why this package exists: moto's evaluator (``moto.iam.access_control``) ignores resources and
conditions. Of the evaluators for Python, ``principalmapper`` (AGPL) was last released in 2022,
``iam-ape`` (GPL) computes the permissions of a principal but does not evaluate requests, and
``parliament`` and ``policyuniverse`` only parse policies. ``@cloud-copilot/iam-simulate`` is
complete and maintained, but it is licensed under the AGPL and requires a Node process. The required
rules are few and documented: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy element
reference".
"""
