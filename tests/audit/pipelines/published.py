"""A pipeline that publishes its failures to a topic, for the validators."""

from lokki_tf import Pipeline, step


@step
def load() -> list[int]:
    return [1]


pipe = Pipeline(
    "published",
    steps=[load()],
    on_failure="arn:aws:sns:eu-west-1:123456789012:failures",
)
