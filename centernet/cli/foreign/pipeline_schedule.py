"""Schedules of learning rates of a `pipeline.config`, as phases; see the Detection API's `learning_schedules`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from centernet.checkpoints.zoo.pipeline_config import flag, number, rows, section
from centernet.errors import ConfigError
from centernet.files.text_proto import Message

Phases = tuple[float, list[dict[str, Any]]]  # the base rate, and phases with rates instead of factors
RATE, MANY = 2e-3, 4_000_000  # rates and steps that a file doesn't give
NIL = 1e-12  # of the base rate; a decay ends there, before it is no longer a number above 0


def schedule_of(rate: Message, steps: int, path: Path) -> dict[str, Any]:
    """Settings of the training for a `learning_rate` of a training of some steps.

    Raises:
        ConfigError: If it has no schedule that is known, or one with impossible numbers.
    """
    kind = next((kind for kind in SCHEDULES if kind in rate), None)
    if kind is None:
        raise ConfigError(f"Expected a learning_rate of {[*SCHEDULES]} in the optimizer of {path}. Received: {[*rate]}")
    chosen = section(rate, kind, path)
    base, phases = SCHEDULES[kind](chosen, steps, path)
    if base <= 0:
        raise ConfigError(f"Expected a learning rate above 0 in {kind} of {path}. Received: {base}")
    kept = [phase | {"start": phase["start"] / base, "end": phase["end"] / base} for phase in phases if phase["steps"]]
    return {"learning_rate": base, "warmup": 0.0, "schedule": kept}


def _phase(steps: int, start: float, end: float | None = None, form: str = "linear", every: int = 1) -> dict[str, Any]:
    return {"steps": steps, "start": start, "end": start if end is None else end, "form": form, "every": every}


def _constant(rate: Message, steps: int, path: Path) -> Phases:
    base = number(rate, "learning_rate", float, path, RATE)
    return base, [_phase(steps, base)]


def _cosine(rate: Message, steps: int, path: Path) -> Phases:
    base = number(rate, "learning_rate_base", float, path, RATE)
    total = number(rate, "total_steps", int, path, MANY)
    warmup = number(rate, "warmup_steps", int, path, 10_000)
    hold = number(rate, "hold_base_rate_steps", int, path, 0)
    if total < warmup + hold:
        raise ConfigError(
            f"Expected total_steps of at least warmup_steps and hold_base_rate_steps in {path}. Received: "
            f"{total}, {warmup}, {hold}"
        )
    first = number(rate, "warmup_learning_rate", float, path, 2e-4)
    return base, [
        _phase(warmup, first, base),
        _phase(hold, base),
        _phase(total - warmup - hold, base, 0.0, "cosine"),
    ]


def _manual(rate: Message, steps: int, path: Path) -> Phases:
    parts = [part for part in rows(rate, "schedule") if isinstance(part, dict)]
    bounds = [number(part, "step", int, path, 0) for part in parts]
    rates = [number(rate, "initial_learning_rate", float, path, RATE)]
    rates += [number(part, "learning_rate", float, path, RATE) for part in parts]
    if not bounds or bounds != sorted(set(bounds)) or bounds[0] < 1:
        raise ConfigError(f"Expected increasing steps in manual_step_learning_rate of {path}. Received: {bounds}")
    lengths = [end - begin for begin, end in zip([0, *bounds], bounds, strict=False)]
    phases = [_phase(length, one) for length, one in zip(lengths, rates, strict=False)]
    if flag(rate, "warmup"):
        phases[0]["end"] = rates[1]
    return max(rates), [*phases, _phase(1, rates[-1])]


def _exponential(rate: Message, steps: int, path: Path) -> Phases:
    factor = number(rate, "decay_factor", float, path, 0.95)
    every = number(rate, "decay_steps", int, path, MANY)
    if every < 1 or not 0 < factor <= 1:
        received = f"{every}, {factor}"
        raise ConfigError(f"Expected decay_steps above 0 and a decay_factor up to 1 in {path}. Received: {received}")
    lowest = number(rate, "min_learning_rate", float, path, 0.0)
    base = max(number(rate, "initial_learning_rate", float, path, RATE), lowest)
    burn = number(rate, "burnin_steps", int, path, 0)
    staircase = flag(rate, "staircase", default=True)
    decays = math.ceil(steps / every)
    if base > 0 and factor < 1:  # a decay ends where the lowest rate is reached
        reached = math.log(max(lowest / base, NIL)) / math.log(factor)
        decays = min(decays, math.floor(reached) + 1 if staircase else max(reached, 1 / every))
    length = math.ceil(decays * every)
    end = base * factor ** (length / every)
    return base, [
        _phase(burn, max(number(rate, "burnin_learning_rate", float, path, 0.0) or base, lowest)),
        _phase(length, base, end, "exponential", every if staircase else 1),
        _phase(1, max(end, lowest)),
    ]


SCHEDULES: Mapping[str, Callable[[Message, int, Path], Phases]] = {
    "constant_learning_rate": _constant,
    "cosine_decay_learning_rate": _cosine,
    "manual_step_learning_rate": _manual,
    "exponential_decay_learning_rate": _exponential,
}
