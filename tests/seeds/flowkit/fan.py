from lokki_tf import DAG, task
from seeds.flowkit.around import (
    combine_results,
    get_raw_data,
    process_method_a,
    process_method_b,
    process_method_c,
)


@task()
def fetch_data():
    return get_raw_data()


@task()
def process_a(data):
    return process_method_a(data)


@task()
def process_b(data):
    return process_method_b(data)


@task()
def process_c(data):
    return process_method_c(data)


@task()
def aggregate(data, result_a, result_b, result_c):
    return combine_results(result_a, result_b, result_c)


# Fan-out to parallel processing, then fan-in
fetch_data >> [process_a, process_b, process_c]
[fetch_data, process_a, process_b, process_c] >> aggregate

dag = DAG("fan")
