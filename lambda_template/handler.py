import lokki_runtime

"{{PUT_FUNCTION_HERE}}"


def lambda_handler(event, context):
    return lokki_runtime.run("{{PUT_FUNCTION_NAME_HERE}}", event, context)
