"""Travel expenses: small sums are paid at once, a person decides about large ones.

python examples/approval/approval.py run          asks in this terminal
python examples/approval/approval.py deploy
python examples/approval/approval.py start
python examples/approval/approval.py answer       lists what waits for a decision
python examples/approval/approval.py answer --step decide --value '"yes"'
"""

from __future__ import annotations

from lokki_tf import Pipeline, main, run_context, step

LIMIT = 1_000.0
"""Euros that are paid without a decision."""
EXPENSES = """\
traveller,what,euros
Ada,train to Turin,182.40
Ada,hotel,540.00
Charles,workshop in Leeds,420.50
Ada,conference fee,690.00
"""


@step
def totals(expenses: str) -> dict[str, float]:
    """Add the expenses of each traveller up."""
    found: dict[str, float] = {}
    for line in expenses.splitlines()[1:]:
        traveller, _, euros = line.split(",")
        found[traveller] = round(found.get(traveller, 0.0) + float(euros), 2)
    return found


@step(callback=True, timeout_seconds=7 * 86_400, when=lambda sums: max(sums.values()) > LIMIT)
def decide(sums: dict[str, float]) -> None:
    """Ask somebody, for example by mail with this token; their answer is the step's result."""
    large = {name: euros for name, euros in sums.items() if euros > LIMIT}
    print(f"{large} need a decision: python approval.py answer {run_context().task_token}")


@step
def pay(sums: dict[str, float], decision: str | None) -> dict[str, float]:
    """Pay what is small, and what was approved; without large sums nobody was asked."""
    return {name: euros for name, euros in sums.items() if euros <= LIMIT or decision == "yes"}


sums = totals(EXPENSES)
approval = Pipeline("travel-expenses", steps=[pay(sums, decide(sums))])

if __name__ == "__main__":
    main(approval)
