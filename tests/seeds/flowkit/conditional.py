from lokki_tf import DAG, task


@task()
def check_data():
    return 1500  # Some metric


@task(when=lambda x: x > 1000)
def handle_large_data(value):
    return f"Processing large dataset: {value}"


@task(when=lambda x: x <= 1000)
def handle_small_data(value):
    return f"Processing small dataset: {value}"


check_data >> [handle_large_data, handle_small_data]

dag = DAG("conditional")
