from lokki_tf import DAG, task


@task()
def fetch_data():
    """Fetch initial dataset."""
    return range(1000)


@task()
def process_batch_1(data):
    """Process first batch."""
    return sum(list(data)[:333])


@task()
def process_batch_2(data):
    """Process second batch."""
    return sum(list(data)[333:666])


@task()
def process_batch_3(data):
    """Process third batch."""
    return sum(list(data)[666:])


@task()
def aggregate_results(data, b1, b2, b3):
    """Combine all results."""
    total = b1 + b2 + b3
    return f"Total: {total}"


# Parallel processing pipeline
fetch_data >> [process_batch_1, process_batch_2, process_batch_3]
[fetch_data, process_batch_1, process_batch_2, process_batch_3] >> aggregate_results

# Execute with parallel workers
dag = DAG("parallel_processing", max_workers=3)
