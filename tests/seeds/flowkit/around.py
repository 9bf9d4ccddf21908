"""What the README's examples call and do not show."""

from types import SimpleNamespace


def fetch_data():
    return [1, 2, 3]


def process(data):
    return [2 * value for value in data]


def save_to_db(data):
    pass


def get_raw_data():
    return {"a": 1, "b": 2, "c": 3}


def process_method_a(data):
    return data["a"] * 10


def process_method_b(data):
    return data["b"] * 10


def process_method_c(data):
    return data["c"] * 10


def combine_results(*results):
    return sum(results)


def fetch_data_size():
    return 1500


def send_email(text):
    pass


class requests:  # noqa: N801  # stands for the package
    @staticmethod
    def get(url):
        answer = [{"id": 1, "value": 10}, {"id": 2, "value": 20}]
        return SimpleNamespace(json=lambda: answer, raise_for_status=lambda: None)


class db:  # noqa: N801  # stands for an object
    @staticmethod
    def bulk_insert(rows):
        assert all("timestamp" in row for row in rows)
