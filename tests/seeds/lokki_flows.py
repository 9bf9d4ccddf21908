"""The flows that lokki's README shows; only the import lines are other ones."""

from lokki_tf import flow, step
from lokki_tf.decorators import RetryConfig


@step
def get_birds() -> list[str]:
    return ["goose", "duck", "seagull"]


@step
def flap_bird(bird: str) -> str:
    return f"flappy {bird}"


@step
def join_birds(birds: list[str]) -> str:
    return ", ".join(birds)


@flow
def birds_flow():
    return get_birds().map(flap_bird).agg(join_birds)


@step
def get_data():
    return [1, 2, 3]


@step
def process_item(item, mult):
    return item * mult


@step
def process_item_2(item):
    return item * item


@step
def sum_items(items):
    return sum(items)


@flow
def my_flow(mult=2):
    return get_data().map(process_item, mult=mult).next(process_item_2).agg(sum_items)


@step(name="fetch_page")
def fetch_page(limit: int, offset: int = 0):
    return list(range(limit))[offset:]


@step(name="process_page")
def process_page(item, mult):
    return item * mult


@flow
def paginated_flow(limit: int = 100, offset: int = 0, mult: int = 2):
    return fetch_page(limit=limit, offset=offset).map(process_page, mult=mult)


@step
def unreliable_step(data):
    import random

    if random.random() < 0.5:
        raise ValueError("Random failure")
    return data


@flow
def flow_with_retry():
    return unreliable_step(retry=RetryConfig(retries=30, delay=0.0, backoff=1.0))


@step
def fetch_data():
    return [1, 2, 3]


@step
def process(item):
    return item * 2


@step
def aggregate(items):
    return sum(items)


@flow(schedule="cron(0 9 * * ? *)")
def daily_pipeline():
    return fetch_data().map(process).agg(aggregate)


@flow(schedule="rate(1 hour)")
def hourly_pipeline():
    return fetch_data().process()
