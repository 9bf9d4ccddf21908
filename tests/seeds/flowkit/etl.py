from datetime import datetime

from lokki_tf import DAG, task
from seeds.flowkit.around import db, requests, send_email


@task(retries=3)
def extract_from_api():
    """Extract data from API."""
    response = requests.get("https://api.example.com/data")
    return response.json()


@task()
def transform_data(raw_data):
    """Clean and transform data."""
    return [
        {"id": item["id"], "value": item["value"] * 2, "timestamp": datetime.now()}
        for item in raw_data
    ]


@task()
def load_to_database(transformed_data):
    """Load data into database."""
    db.bulk_insert(transformed_data)
    return f"Loaded {len(transformed_data)} records"


@task()
def send_notification(result):
    """Notify completion."""
    send_email(f"ETL completed: {result}")
    return "Notification sent"


# Build pipeline
extract_from_api >> transform_data >> load_to_database >> send_notification

# Execute
dag = DAG("etl_pipeline", max_workers=2)
