from lokki_runtime import run

"{{PUT_FUNCTION_HERE}}"


def lambda_handler(event, context):
    return run("{{PUT_FUNCTION_NAME_HERE}}", event, context)
