"""The example of OrchWiPy's README; only the import lines are other ones."""

from lokki_tf import ConditionalReturns, MicroFunctions, ReturnUpdates

# Our pipeline starts at function 'start'
pipe = MicroFunctions(beginner="start")


@pipe.fn()
# pipe.fn() will convert this to a lambda function when deployed
def start(*, choice: str | None, **kwargs):
    # **kwargs is always needed

    beans = None
    if not choice:
        choice = input("Tea or coffee? (t/c)")
    if choice == "c":
        beans = int(input("How much beans "))

    # if choice is 'c', then we go to 'coffee' else 'tea'
    return ConditionalReturns(
        choice,
        # default choice is 'tea'
        # "*" => passing no other arguments, required for first step
        ReturnUpdates("tea", "*"),
        # only include beans argument
        c=ReturnUpdates("coffee", "*", beans=beans),
    )


@pipe.fn(template_props=dict(Layers=[{"Ref": "MorePythonPackagesLayer"}]))  # noqa: C408
# MorePythonPackagesLayer will become a CFN template parameter
def tea(**kwargs):
    print("Have tea")
    # can also return a dictionary, with $next as the next function name
    return {"$next": "coffee", "beans": 5}


@pipe.fn()
def coffee(*, beans: int, **kwargs):
    print(f"Put {beans} beans into the coffee machine")
    # include all the arguments passed previously and add (update) the milk argument
    return ReturnUpdates("drink", milk=True)


@pipe.fn(terminates=True)
# terminates => specify that this may be the end of the pipe
def drink(*, milk: bool | None, **kwargs):
    if milk:
        print("Add some milk if its bitter")
    print("Drink!")
    return {}
