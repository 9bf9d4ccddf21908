"""A pipeline whose failures a topic is told of, for the validators."""

from lokki_tf import Pipeline, step


@step
def load() -> list[int]:
    return [1]


pipe = Pipeline(
    "published",
    steps=[load()],
    on_failure="arn:aws:sns:eu-west-1:123456789012:failures",
)
