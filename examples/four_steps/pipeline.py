"""Four steps that hand small values on: the example of step-in-line's README."""

import json
from pathlib import Path

from lokki_tf import Pipeline, step
from lokki_tf.terraform import StepInLine, rename_tf_output

lambda_iam_policy = ""  # put an IAM policy here, formatted as JSON


@step(
    # function names must be unique, or you can pass a name to the step to
    # ensure uniqueness
    name="preprocess_unique",
    python_runtime="python3.9",
    memory_size=128,  # defaults to 512
    layers=["arn:aws:lambda:us-east-2:123456789012:layer:example-layer"],
    policies=[lambda_iam_policy],
)
def preprocess(arg1: str) -> str:
    return "hello"


@step
def preprocess_2(arg1: str) -> str:
    return "hello"


@step
def preprocess_3(arg1: str) -> str:
    return "hello"


@step
def train(arg1: str, arg2: str, arg3: str) -> str:
    return "goodbye"


step_process_result = preprocess("hi")
step_process_result_2 = preprocess_2(step_process_result)
step_process_result_3 = preprocess_3(step_process_result)
step_train_result = train(step_process_result, step_process_result_2, step_process_result_3)
pipe = Pipeline("mytest", steps=[step_train_result], schedule="rate(2 minutes)")

print(pipe.local_run())  # will print output of each step
print(json.dumps(pipe.generate_step_functions()))

from cdktf import App  # noqa: E402

app = App(hcl_output=True)
instance_name = "aws_instance"
stack = StepInLine(app, instance_name, pipe, "us-east-1")
tf_path = Path(app.outdir, "stacks", instance_name)
app.synth()
rename_tf_output(tf_path)
