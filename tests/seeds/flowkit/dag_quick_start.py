from lokki_tf import DAG, task
from seeds.flowkit.around import fetch_data, process, save_to_db


@task(retries=3)
def extract():
    """Fetch data from source."""
    return fetch_data()


@task()
def transform(data):
    """Process the data."""
    return process(data)


@task()
def load(data):
    """Save to database."""
    save_to_db(data)
    return "Success"


# Define pipeline using >> operator
extract >> transform >> load

# Execute
dag = DAG("my_pipeline")
