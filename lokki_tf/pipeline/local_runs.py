"""Stages of a local run: its settings, stored results, limits and notices."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from lokki_tf.asl.quotas import STATE_BYTES
from lokki_tf.authoring.places import calling_place
from lokki_tf.errors import BindingError, OptionError
from lokki_tf.model.terraform_refs import shown
from lokki_tf.runtime.answers import answer_text

from .failure_notices import notified
from .limits import compiled, inline_limits, outermost_parts
from .refs import values_of_refs, with_known_arguments, with_known_variables
from .secrets import fetched_secrets
from .starts import own_answers, with_starts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor
    from os import PathLike

    from lokki_tf.config import Config
    from lokki_tf.local import Event, Run, Settings
    from lokki_tf.local.cache import Cache
    from lokki_tf.local.seeds import Seeds
    from lokki_tf.local.state import StateManager
    from lokki_tf.model import Definition, Step, TextOrRef
    from lokki_tf.operate.execution import Execution

    State = StateManager | str | PathLike[str] | None


def run_locally(
    definition: Definition,
    given: Mapping[str, Any],
    settings: Settings,
    state: State,
    on_event: Callable[[Event], None] | None,
    *,
    executor: str | Executor | None,
    max_workers: int | None,
    strict: bool,
    answers: Mapping[str, Any] | None = None,
    config: Config | None = None,
    seeds: Seeds | None = None,
) -> Run:
    """Run a pipeline locally.

    Args:
        definition: The pipeline.
        given: Parameters of the run, which are valid.
        settings: What holds for the steps of the run.
        state: Where results are stored, as for :meth:`Pipeline.local_run`.
        on_event: As for :meth:`Pipeline.local_run`.
        executor: As for :meth:`Pipeline.local_run`; not used by routed pipelines.
        max_workers: As for :meth:`Pipeline.local_run`; not used by routed pipelines.
        strict: As for :meth:`Pipeline.local_run`.
        answers: As for :meth:`Pipeline.local_run`.
        config: As for :meth:`Pipeline.local_run`; for pipelines that this one starts.
        seeds: Results of an execution, with which the run continues.
    """
    from lokki_tf.local import run, run_routes, slot_of
    from lokki_tf.reporting import combined_listener

    if isinstance(answers, Mapping):  # what else they are is reported where they are used
        refuse_large_answers(definition, answers)
    settings = with_starts(definition, settings, strict=strict, config=config, answers=answers)
    with _cache(definition, given, state, settings, seeds) as cache:
        listener = combined_listener(on_event, definition.outline)
        inline = inline_limits(definition)
        known = own_answers(definition, answers) if definition.started else answers
        with (
            notified(definition, given, settings),
            slot_of(definition, settings, listener) as (settings, skipped),
        ):
            if skipped is not None:
                return skipped
            if definition.routes is not None:
                return run_routes(
                    with_known_arguments(definition, settings.refs),
                    given,
                    settings=settings,
                    strict=strict,
                    on_event=listener,
                    cache=cache,
                    answers=known,
                    inline=inline,
                )
            return run(
                with_known_arguments(definition, settings.refs),
                given,
                settings=settings,
                executor=executor,
                max_workers=max_workers,
                strict=strict,
                on_event=listener,
                cache=cache,
                inline=inline,
                parts=outermost_parts(definition),
                answers=known,
            )


def refuse_large_answers(definition: Definition, answers: Mapping[str, Any]) -> None:
    """Raise an error for answers that a state in AWS could not contain together.

    Answers come from outside and are never stored in the bucket.

    Args:
        definition: The pipeline.
        answers: The answers, by the names of steps or nodes; functions and errors are not known.

    Raises:
        BindingError: If there are such answers.
    """
    sizes: dict[str, int] = {}
    for node in definition.asking:
        one = answers.get(node.name, answers.get(node.step.name))
        if isinstance(one, str | list | dict):
            with suppress(TypeError, ValueError):  # reported where it is used
                sizes[node.name] = len(answer_text(one).encode())
    machine = compiled(definition) if sum(sizes.values()) > STATE_BYTES else None
    for state in () if machine is None else machine.answers:
        total = sum(sizes.get(name, 0) * times for name, times in state.results.items())
        names = [repr(name) for name in state.results if name in sizes]
        if total > max(STATE_BYTES, state.size):
            raise BindingError(
                f"the answers to {', '.join(names)} have {total:,} bytes together; in AWS "
                f"{state.what} may have {STATE_BYTES:,}",
                place=definition.place,
                remedy="store what is large, and answer where it is",
            )


def parameters_of_run(given: Any, method: str = "local_run") -> dict[str, Any]:
    """Return the parameters that a user passes to a run, if they are a dict.

    Args:
        given: The parameters.
        method: The method to which they are passed.

    Raises:
        BindingError: If they are something else.
    """
    if given is not None and not isinstance(given, Mapping):
        raise BindingError(
            f"parameters must be a dict by name, got {given!r}",
            place=calling_place(),
            remedy=f'write {method}({{"name": value}})',
        )
    return dict(given or {})


def seeds_of_run(
    definition: Definition,
    execution: Execution[Any] | None,
    again: Sequence[str],
    given: Mapping[str, Any],
) -> Seeds:
    """Return what a local run takes from an execution.

    Args:
        definition: The pipeline.
        execution: The execution.
        again: Names of steps that run again.
        given: The parameters of the run, which must be empty: it has those of the execution.

    Raises:
        BindingError: If there are parameters, or no execution.
        OptionError: If a step that is to run again does not exist.
        SerializationError: If a result cannot be read.
    """
    from lokki_tf.operate.seeds import seeds_of

    if execution is None:
        raise BindingError(
            "again= names steps of the execution in from_run=, which is missing",
            place=calling_place(),
        )
    if given:
        raise BindingError(
            f"parameters ({', '.join(given)}) and from_run= cannot be combined",
            place=calling_place(),
            remedy="leave the parameters out: the run has those of the execution",
        )
    return seeds_of(execution).without(definition, again)


def settings_of(
    definition: Definition,
    wait_scale: float,
    config: Config | None = None,
    stage: str | None = None,
    given: Mapping[str, Any] | None = None,
) -> Settings:
    """Return what holds for the steps of a local run.

    Args:
        definition: The pipeline.
        wait_scale: Factor of delays and waits.
        config: Settings; by default those of ``lokki.toml`` and the environment.
        stage: Stage of those settings; by default that in ``LOKKI_STAGE``.
        given: The run's input, which may contain the time for which the run was scheduled.

    Raises:
        ConfigError: If a reference to Terraform has no value.
        DefinitionError: If a step's secrets are not valid.
        SecretError: If a secret cannot be read.
    """
    from lokki_tf.config import load_config
    from lokki_tf.local import Settings
    from lokki_tf.runtime.event_context import scheduled
    from lokki_tf.terraform.settings import options_in_effect

    config = config or load_config(stage=stage)
    options = options_in_effect(definition, config)
    refs = values_of_refs(definition, options, config)
    options = {step: with_known_variables(one, refs) for step, one in options.items()}
    return Settings(
        options,
        wait_scale,
        name=config.name_of(definition.name),
        stage=config.stage,
        scheduled_at=scheduled(given or {}),
        secrets=fetched_secrets(options, config),
        refs=refs,
        s3=partial(_s3, config),
    )


def _s3(config: Config) -> Any:
    from lokki_tf.operate.clients import client  # imported here: few runs call AWS

    return client(config, "s3")


def refuse_parallel(executor: Any, max_workers: Any) -> None:
    """Raise an error for options of parallel runs, which a routed pipeline does not support."""
    if executor not in (None, "thread", "sequential") or max_workers not in (None, 1):
        raise OptionError(
            "a routed pipeline runs one step after another, so executor= and max_workers= "
            "change nothing",
            place=calling_place(),
            remedy="leave them out",
        )


@contextmanager
def _cache(
    definition: Definition,
    given: Mapping[str, Any],
    state: State,
    settings: Settings,
    seeds: Seeds | None,
) -> Iterator[Cache | None]:
    if state is None and seeds is None:
        yield None
        return
    from lokki_tf.local.cache import value_digest
    from lokki_tf.local.state import StateManager
    from lokki_tf.packaging import context_steps, package_steps, state_keys
    from lokki_tf.runtime.parameters import scheduled_input

    asks = context_steps(package_steps(definition))  # run_context() has the parameters
    at = settings.scheduled_at
    readable = {**given, **({} if at is None else scheduled_input(at.isoformat()))}
    options = settings.options
    secrets = {step: one.secrets for step, one in options.items()}
    codes = {
        step: _with_environment(
            code,
            # The sources of secrets, not their values.
            {**_texts(options[step].env_variables), **secrets[step]},
            readable if step in asks else {},
            value_digest,
        )
        for step, code in state_keys(definition, value_digest, secrets).items()
    }
    for step, code in codes.items():
        if code is None:
            warnings.warn(
                f"step {step.name!r} runs every time: not all of its code at {step.place} can "
                "be read or deployed, as check reports, so its changes cannot be detected",
                RuntimeWarning,
                stacklevel=6,  # the caller of Pipeline.local_run
            )
    if isinstance(state, StateManager):
        yield _cache_of(state, codes, seeds)
        return
    with StateManager(state) as own:
        yield _cache_of(own, codes, seeds)


def _cache_of(state: StateManager, codes: Mapping[Step, str | None], seeds: Seeds | None) -> Cache:
    if seeds is None:
        from lokki_tf.local.cache import Cache

        return Cache(state, codes)
    from lokki_tf.local.seeds import SeededCache

    return SeededCache(state, codes, seeds)


def _texts(variables: Mapping[str, TextOrRef]) -> dict[str, str]:
    return {name: shown(text) for name, text in variables.items()}


def _with_environment(
    code: str | None,
    variables: Mapping[str, str],
    parameters: Mapping[str, Any],
    digest: Callable[[Any], str | None],
) -> str | None:
    """Return the key of a step's code, and of its variables and the parameters that it may read."""
    for read in (variables, parameters):
        if code is not None and read:
            code = digest([code, dict(sorted(read.items()))])
    return code
