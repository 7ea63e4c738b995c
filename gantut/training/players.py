"""The players of a game: what each of them moves, by which optimizer, on which schedule."""

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

Players = Mapping[str, nn.Module]
ScheduleOf = LRScheduler | Callable[[torch.optim.Optimizer], LRScheduler]


class Options(TypedDict, total=False):
    """The keyword arguments that every trainer takes; ``Trainer`` explains them."""

    lr: float
    betas: tuple[float, float]
    optimizers: Mapping[str, torch.optim.Optimizer]
    schedules: Mapping[str, ScheduleOf]
    clip: float | None
    ema: float | None
    seed: int
    device: str | torch.device
    precision: str
    compile: bool


def optimizers_of(players: Players, told: Options) -> dict[str, torch.optim.Optimizer]:
    """Each player's optimizer: the one that was given, else Adam; none where all is frozen.

    Raises:
        TypeError, ValueError: one that is none, or moves what is not the player's; lr or betas
            out of range.
    """
    given = by_player("optimizers", told.get("optimizers", {}), players)
    for name, optimizer in given.items():
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise TypeError(
                f"expected an optimizer for the {name}, such as torch.optim.AdamW({name}."
                f"parameters(), 1e-3), got {optimizer!r}"
            )
    lr, betas = told["lr"], told["betas"]
    if not isinstance(lr, (int, float)) or not 0 <= lr < float("inf"):
        raise ValueError(f"lr must be a finite number of at least 0, got {lr!r}")
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ValueError(f"betas must be two decay rates, each in [0, 1), got {betas!r}")
    found = {}
    for name, player in players.items():
        own = [p for p in player.parameters() if p.requires_grad]
        if name in given:
            moved = {id(p) for group in given[name].param_groups for p in group["params"]}
            if foreign := len(moved - {id(p) for p in player.parameters()}):
                raise ValueError(
                    f"the optimizer for the {name} holds {foreign} parameters that are not the "
                    f"{name}'s; make it with that network's parameters"
                )
            found[name] = given[name]
        elif own:
            found[name] = torch.optim.Adam(own, lr=lr, betas=betas, fused=True)
    return found


def schedules_of(
    optimizers: Mapping[str, torch.optim.Optimizer], given: Mapping[str, ScheduleOf]
) -> dict[str, LRScheduler]:
    """Each player's schedule, where it has one.

    Raises:
        TypeError, ValueError: one that is none, waits for a measure, or belongs elsewhere.
    """
    found = {}
    for name, schedule in by_player("schedules", given, optimizers).items():
        if not isinstance(schedule, LRScheduler) and not callable(schedule):
            raise TypeError(
                f"expected a schedule for the {name}, or a function that makes one from its "
                f"optimizer, got {schedule!r}"
            )
        made = schedule if isinstance(schedule, LRScheduler) else schedule(optimizers[name])
        if isinstance(made, ReduceLROnPlateau):
            raise TypeError(
                f"the schedule for the {name} waits for a measure, and a trainer has only the step "
                "number: step it yourself, in a loop over run()"
            )
        if made.optimizer is not optimizers[name]:
            raise ValueError(
                f"the schedule for the {name} belongs to another optimizer than the trainer's; "
                f"give a function of the optimizer, or that optimizer in optimizers= as well"
            )
        found[name] = made
    return found


def by_player(option: str, given: Any, players: Mapping[str, Any]) -> Mapping[str, Any]:
    """What was given for each player, where it names players at all."""
    if not isinstance(given, Mapping):
        kind = type(given).__name__
        raise TypeError(f"{option} must be a dict by player ({', '.join(players)}), got {kind}")
    if unknown := set(given) - set(players):
        raise ValueError(f"no player {', '.join(sorted(unknown))}; known: {', '.join(players)}")
    return given


def step_if(healthy: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """A step where ``healthy`` is true; fused optimizers look at it on the device themselves."""
    if all(group.get("fused") for group in optimizer.param_groups):
        optimizer.grad_scale, optimizer.found_inf = None, (~healthy).float()  # type: ignore[attr-defined]
        optimizer.step()
    elif healthy:  # waits for the device, where there is one
        optimizer.step()
