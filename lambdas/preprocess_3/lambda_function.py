import lokki_runtime


def preprocess_3(arg1: str) -> str:
    return "hello"


def lambda_handler(event, context):
    return lokki_runtime.run(preprocess_3, event, context)
