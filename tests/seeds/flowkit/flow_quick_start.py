from lokki_tf import Flow, task
from seeds.flowkit.around import fetch_data, process, save_to_db


@task(retries=3)
def extract():
    """Fetch data from source."""
    return fetch_data()


@task()
def transform(extract):  # Parameter name matches task name
    """Process the data."""
    return process(extract)


@task()
def load(transform):
    """Save to database."""
    save_to_db(transform)
    return "Success"


# Build pipeline with chainable API
pipeline = Flow("my_pipeline", max_workers=4).add(extract).add(transform).add(load)
