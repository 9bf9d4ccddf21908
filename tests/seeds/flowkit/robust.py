from lokki_tf import DAG, task
from seeds.flowkit.around import requests

attempts = []


def risky_operation():
    attempts.append(1)
    if len(attempts) % 3:
        raise ConnectionError("not yet")
    return "done"


@task(retries=3, delay=2.0, backoff=2.0)
def robust_task():
    # Will retry up to 3 times with exponential backoff
    return risky_operation()


@task(retries=5, delay=1.0, backoff=2.0)
def flaky_api_call():
    response = requests.get("https://api.example.com/data")
    response.raise_for_status()
    return response.json()


dag = DAG("robust")
