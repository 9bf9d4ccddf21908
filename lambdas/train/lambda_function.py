import lokki_runtime


def train(arg1: str, arg2: str, arg3: str) -> str:
    return "goodbye"


def lambda_handler(event, context):
    return lokki_runtime.run(train, event, context)
