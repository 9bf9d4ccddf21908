from lokki_tf import DAG, task
from seeds.flowkit.around import fetch_data, process


@task()
def extract():
    return fetch_data()


@task()
def transform(data):
    return process(data)


@task()
def validate(data):
    return all(value > 0 for value in data)


@task()
def enrich(data):
    return [(value, "rich") for value in data]


@task()
def load(valid, rich):
    return len(rich) if valid else 0


@task()
def notify(count):
    return f"{count} rows"


# Complex pipeline
extract >> transform >> [validate, enrich] >> load >> notify

dag = DAG("my_workflow", max_workers=4)
