from lokki_tf import DAG, task
from seeds.flowkit.around import fetch_data_size


@task()
def extract():
    return fetch_data_size()


@task()
def transform(data_size):
    return data_size * 2


@task(when=lambda x: x > 2000)
def require_manual_approval(size):
    """Large datasets need approval."""
    print(f"Large dataset ({size}) - manual approval required")
    return "MANUAL_APPROVAL"


@task(when=lambda x: x <= 2000)
def auto_approve(size):
    """Small datasets auto-approved."""
    print(f"Small dataset ({size}) - auto-approved")
    return "AUTO_APPROVED"


@task()
def load(transform_result, manual=None, auto=None):
    approval = manual or auto
    print(f"Loading {transform_result} with {approval}")
    return f"LOADED_{approval}"


# Build conditional pipeline
extract >> transform
transform >> [require_manual_approval, auto_approve]
[transform, require_manual_approval, auto_approve] >> load

# Execute
dag = DAG("approval_workflow")
