"""A pipeline with the steps and ways on of OrchWiPy's second picture, which log what they do."""

import logging

from lokki_tf import ConditionalReturns, MicroFunctions, ReturnUpdates

log = logging.getLogger("orchwipy_sample")

orch = MicroFunctions(beginner="welcome")


@orch.fn()
def welcome(*, greeting: str, choice: str | None = None, **kwargs):
    log.info(greeting)
    log.info("asked for %s", choice)
    return ConditionalReturns(
        choice,
        ReturnUpdates("nochoice"),
        t=ReturnUpdates("making_tea", "*"),
        c=ReturnUpdates("making_coffee", "*"),
    )


@orch.fn()
def making_tea(**kwargs):
    log.info("tea it is")
    return ReturnUpdates("boil_water", choice="tea")


@orch.fn()
def making_coffee(**kwargs):
    log.info("coffee it is")
    return ReturnUpdates("boil_water", choice="coffee", pour_slow=True)


@orch.fn(terminates=True)
def nochoice(**kwargs):
    log.info("nothing then")
    return {}


@orch.fn()
def boil_water(*, choice: str, **kwargs):
    log.info("water boils")
    return ConditionalReturns(choice, ReturnUpdates("dip"), coffee=ReturnUpdates("grind"))


@orch.fn()
def grind(**kwargs):
    log.info("beans are ground")
    return ReturnUpdates("pour_water", target="a filter")


@orch.fn(default_next="pour_water")
def dip(**kwargs):
    log.info("a bag is dipped")
    return ReturnUpdates("pour_water", target="a cup")


@orch.fn(default_next="drink")
def pour_water(*, pour_slow: bool = False, target: str, **kwargs):
    log.info("water goes%s onto %s", " slowly" if pour_slow else "", target)
    return ReturnUpdates("drink")


@orch.fn(terminates=True)
def drink(**kwargs):
    log.info("cheers")
    return {}
