import lokki_runtime


def preprocess(arg1: str) -> str:
    return "hello"


def lambda_handler(event, context):
    return lokki_runtime.run(preprocess, event, context)
