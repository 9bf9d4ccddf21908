from lokki_tf import Flow, task


@task()
def fetch_user():
    return {"id": 1, "name": "Alice"}


@task()
def fetch_orders():
    return ["order1", "order2"]


@task()
def fetch_recommendations():
    return ["item1", "item2"]


@task()
def combine(fetch_user, fetch_orders, fetch_recommendations):
    return {"user": fetch_user, "orders": fetch_orders, "recommendations": fetch_recommendations}


# Build pipeline with method chaining
pipeline = (
    Flow("user_pipeline", max_workers=5)
    .add(fetch_user)  # Start
    .branch(fetch_orders, fetch_recommendations)  # Parallel branches
    .merge(combine)  # Merge results
)
