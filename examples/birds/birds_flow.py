"""Three birds, side by side: the first flow of lokki's README.

python examples/birds/birds_flow.py run
flappy goose, flappy duck, flappy seagull
"""

from lokki_tf import flow, main, step


@step
def get_birds() -> list[str]:
    return ["goose", "duck", "seagull"]


@step
def flap_bird(bird: str) -> str:
    return f"flappy {bird}"


@step
def join_birds(birds: list[str]) -> str:
    return ", ".join(birds)


@flow
def birds_flow() -> str:
    return get_birds().map(flap_bird).agg(join_birds)


if __name__ == "__main__":
    main(birds_flow)
