"""Guidance by energies: all of a step share one graph and, for each place where they act, one backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from scumble.controls.activation_reader import ActivationReader, joined
from scumble.controls.cap import limit_norm
from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, Control, RunState, Start, Transition
from scumble.core.prediction import Prediction
from scumble.core.schedule import conditional_variance
from scumble.energies.protocol import Observation, Place, WeightedEnergy
from scumble.errors import MethodError

__all__ = ["EnergyGuidance", "SourceRow"]

MOST_REPEATS = 20
HALF_SCALE = 1000.0
"""What a loss is multiplied by before its gradient goes through a network in half precision (arXiv 2306.00986)."""


@dataclass(frozen=True)
class SourceRow:
    """A picture that energies compare with, evaluated beside the run.

    Attributes:
        cond: What the network is told for it.
        trajectory: ``trajectory(ctx, i)`` is its x (1 or B, C, h, w) at the level of step i.
    """

    cond: Conditioning
    trajectory: Callable[[RunState, int], Tensor]


@dataclass
class EnergyGuidance(Control):
    """Push the run down the gradient of energies; see :class:`scumble.energies.protocol.Guide` for the places.

    Put it behind the control that asks for the guided row. At a step where no guide is active it does nothing at all.
    Else the guided row is evaluated with a graph, the others without; where only activations are read the graph ends
    at the last of them. A source's row is reduced to what the energies measure.

    Args:
        guides: The energies at work.
        cond: What the guided row is told.
        looker: Reads what the energies look at.
        sources: Row name -> picture that energies compare with.
        row: The guided row.
        cap: Limit of the shift of ``eps``, as a share of eps (both root mean square, each sample by itself): weights
            then need no tuning. None: no limit.
        exactly: Bring the shift of ``eps`` to the cap also where it is smaller.
        scale: Multiplies all gradients.
        by_sigma: Multiply the shift of ``eps`` by the noise level s, as the paper does and its notebook does not.
        values: Energies of the last active step (B,), by name.
    """

    guides: Sequence[WeightedEnergy]
    cond: Conditioning
    looker: ActivationReader = field(default_factory=ActivationReader)
    sources: Mapping[str, SourceRow] = field(default_factory=dict)
    row: str = "cond"
    cap: float | None = None
    exactly: bool = False
    scale: float = 1.0
    by_sigma: bool = True
    values: dict[str, Tensor] = field(default_factory=dict)
    _seen: dict[str, Observation] = field(default_factory=dict)
    _origins: dict[tuple[str, int], Tensor | None] = field(default_factory=dict)
    _shift: Tensor | None = None
    _beta: Tensor | None = None
    _stop: bool = False

    def start(self, ctx: RunState) -> Start | None:
        """Refuse guides that could not have an effect.

        Raises:
            MethodError: If the mean is to move by the variance of steps that have none.
        """
        for guide in self.guides:
            silent = guide.place == "mean" and guide.variance == "step" and getattr(ctx.solver, "eta", 1.0) == 0
            if guide.weight and silent:
                raise MethodError(
                    f"energy {guide.energy.name} moves the mean by the variance of the step's noise, but this run has"
                    " no noise (eta 0): use place eps, variance beta, or eta 1"
                )
        return None

    def active(self, ctx: RunState, *places: Place) -> list[tuple[int, WeightedEnergy, float]]:
        """Number, guide and factor of those that act at this step, at one of the places."""
        if ctx.level.a == 0:  # no signal: a shift of eps would be an infinite one of x0
            return []
        found = ((k, g, g.factor(ctx.i, ctx.steps)) for k, g in enumerate(self.guides) if g.place in places)
        return [(k, g, w) for k, g, w in found if w]

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        """Move x by the guides of that place; each move is one call of the network, left as early as possible."""
        self._seen, self._origins, self._shift = {}, {}, None
        at_x = self.active(ctx, "x")
        if not at_x:
            return x
        self._measure_now(ctx, at_x)
        goals = {k: goal for k, g, _ in at_x if (goal := g.refine.get(ctx.i)) is not None}
        for _ in range(MOST_REPEATS if goals else 1):
            leaf = x.detach().requires_grad_(True)
            reads = joined(g.energy.reads for _, g, _ in at_x)
            seen = self.looker.once(ctx, leaf, self.cond, reads, self.row, grad=True)
            with torch.enable_grad():
                values = self._values(ctx, at_x, seen)
                if goals and all(bool((values[k] <= goal).all()) for k, goal in goals.items()):
                    return x
                loss = sum(w * values[k].sum() for k, _, w in at_x)
                assert isinstance(loss, Tensor)
                x = x - self._gradient(ctx, loss, leaf, keep=False)
        return x

    def branches(self, ctx: RunState, rows: list[Branch]) -> list[Branch]:
        """Let the guided row keep its graph, and ask for the sources' rows.

        Raises:
            MethodError: If nobody evaluates the guided row.
        """
        acting = self.active(ctx, "eps", "x0", "mean")
        through = [g for _, g, _ in acting if g.through_network]
        self._stop = False
        if not acting:
            return rows
        if all(row.name != self.row for row in rows):
            raise MethodError(
                f"energies guide the row {self.row!r}, but this run evaluates {', '.join(r.name for r in rows)} only:"
                " use a guidance scale other than 0"
            )
        present = {row.name for row in rows}
        more = [
            Branch(name, self.sources[name].cond, self.sources[name].trajectory(ctx, ctx.i))
            for name in dict.fromkeys(g.energy.source for _, g, _ in acting)
            if name is not None and name in self.sources and name not in present and not self._known(acting, name)
        ]
        # Somebody else's graph must not end where ours does.
        shared = any(row.grad for row in rows)
        self._stop = bool(through) and not shared and not any(g.energy.reads.prediction for g in through)
        return [*more, *(replace(row, grad=bool(through)) if row.name == self.row else row for row in rows)]

    def taps(self, ctx: RunState) -> Sequence[Any]:
        """Read what the energies look at."""
        acting = self.active(ctx, "eps", "x0", "mean")
        reads = joined(g.energy.reads for _, g, _ in acting)
        sources = {g.energy.source for _, g, _ in acting} - {None}
        names = [name for name in (self.row, *sources) if name is not None]

        def done() -> None:
            if self._stop and self.row in ctx.layout and torch.is_grad_enabled():
                torch.set_grad_enabled(False)  # the call's own context sets it back

        return self.looker.taps(ctx, reads, names, self._seen, done)

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        """Take the gradients; apply those of eps and x0."""
        acting = self.active(ctx, "eps", "x0", "mean")
        if not acting:
            return prediction
        for name, seen in self._seen.items():
            if name != self.row and name in rows:
                self.looker.complete(seen, rows[name])
        self._measure(acting)
        found, made = rows[self.row], prediction
        direct = [entry for entry in acting if not entry[1].through_network]
        through = [entry for entry in acting if entry[1].through_network]
        shifts: dict[str, Tensor] = {}
        with torch.enable_grad():
            if through:
                assert ctx.leaf is not None
                seen = self._seen.setdefault(self.row, Observation(ctx, ctx.leaf))
                # The energy judges the guided picture; the gradient goes through the conditional row alone.
                seen.x, seen.decode = ctx.leaf, self.looker.decode
                seen.x0 = found.x0 + (made.x0 - found.x0).detach()
                seen.eps = found.eps + (made.eps - found.eps).detach()
                self._take(ctx, through, seen, ctx.leaf, shifts, lambda g: g)
            if direct:
                x_t = (ctx.leaf if ctx.leaf is not None else ctx.level.a * made.x0 + ctx.level.s * made.eps).detach()
                leaf = made.x0.detach().requires_grad_(True)
                seen = Observation(ctx, x_t, leaf, made.eps.detach(), decode=self.looker.decode)
                self._take(ctx, direct, seen, leaf, shifts, lambda g: g / ctx.level.a)
        made = made.detach()
        if "eps" in shifts:
            shift = limit_norm(
                (ctx.level.s if self.by_sigma else 1.0) * shifts["eps"], made.eps, self.cap, self.exactly
            )
            made = replace(made, x0=made.x0 - (ctx.level.s / ctx.level.a) * shift, eps=made.eps + shift)
        if "x0" in shifts:
            made = replace(made, x0=made.x0 - shifts["x0"])
        self._shift = shifts.get("mean/step")
        self._beta = shifts.get("mean/beta")
        return made

    def after(self, ctx: RunState, move: Transition) -> Transition:
        """Move the mean."""
        if self._shift is not None:
            move = move.shifted(-(move.std**2) * self._shift)
        if self._beta is not None:
            sigma = conditional_variance(ctx.level, ctx.next_level) * ctx.next_level.a / ctx.level.a
            move = move.shifted(-sigma * self._beta)
        self._shift = self._beta = None
        self._seen = {}
        return move

    def _take(
        self,
        ctx: RunState,
        acting: list[tuple[int, WeightedEnergy, float]],
        seen: Observation,
        leaf: Tensor,
        shifts: dict[str, Tensor],
        chain: Callable[[Tensor], Tensor],
    ) -> None:
        """Add to ``shifts`` the weighted gradient of each place: one backward each."""
        values = self._values(ctx, acting, seen)
        losses: dict[str, Tensor] = {}
        for k, guide, w in acting:
            place = f"mean/{guide.variance}" if guide.place == "mean" else guide.place
            losses[place] = losses.get(place, 0.0) + w * values[k].sum()
        for n, (place, loss) in enumerate(losses.items()):
            gradient = chain(self._gradient(ctx, loss, leaf, keep=n + 1 < len(losses), count=leaf is ctx.leaf))
            shifts[place] = shifts[place] + gradient if place in shifts else gradient

    def _values(
        self, ctx: RunState, acting: list[tuple[int, WeightedEnergy, float]], seen: Observation
    ) -> dict[int, Tensor]:
        found = {}
        for k, guide, _ in acting:
            energy = guide.energy
            origin = self._origins.get((energy.source, k)) if energy.source is not None else None
            value = energy(seen, origin)
            where = f"energy {energy.name} at step {ctx.i + 1} of {ctx.steps}"
            if not isinstance(value, Tensor) or tuple(value.shape) != (seen.x.shape[0],):
                shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise MethodError(f"{where} returned {shape}, expected one value per sample ({seen.x.shape[0]},)")
            if not bool(value.isfinite().all()):
                raise MethodError(f"{where} is {value.detach().flatten()[0]:g}: it must be finite; lower its weight")
            if not value.requires_grad:
                raise MethodError(f"{where} does not depend on what it reads, so there is no gradient")
            found[k] = value
            self.values[energy.name] = value.detach()
        return found

    def _gradient(self, ctx: RunState, loss: Tensor, leaf: Tensor, keep: bool, count: bool = True) -> Tensor:
        half = getattr(ctx.network, "dtype", torch.float32) in (torch.float16, torch.bfloat16)
        scale = HALF_SCALE if half else 1.0
        (gradient,) = torch.autograd.grad(loss * scale, leaf, retain_graph=keep, allow_unused=True)
        if gradient is None:
            raise MethodError("the energies do not depend on the noisy picture: their maps are overwritten by another")
        if count:
            ctx.cost.backward(leaf.shape[0])
        if not bool(gradient.isfinite().all()):
            raise MethodError(f"the gradient of the energies is not finite at step {ctx.i + 1}: lower their weights")
        return gradient * (self.scale / scale)

    def _known(self, acting: list[tuple[int, WeightedEnergy, float]], name: str) -> bool:
        return all((name, k) in self._origins for k, g, _ in acting if g.energy.source == name)

    def _measure(self, acting: list[tuple[int, WeightedEnergy, float]]) -> None:
        """Reduce the sources' rows to what the energies compare with."""
        for k, guide, _ in acting:
            name = guide.energy.source
            if name is None or (name, k) in self._origins:
                continue
            if name not in self._seen:
                raise MethodError(f"energy {guide.energy.name} compares with {name!r}, but no such row is evaluated")
            with torch.no_grad():
                origin = guide.energy.measure(self._seen[name])
            self._origins[name, k] = None if origin is None else origin.detach()

    def _measure_now(self, ctx: RunState, acting: list[tuple[int, WeightedEnergy, float]]) -> None:
        """The same before the step's own evaluation."""
        for name in dict.fromkeys(g.energy.source for _, g, _ in acting):
            if name is None:
                continue
            if name not in self.sources:
                raise MethodError(f"energies at place x compare with {name!r}, but no such source was given")
            source = self.sources[name]
            own = [entry for entry in acting if entry[1].energy.source == name]
            reads = joined(g.energy.reads for _, g, _ in own)
            x = source.trajectory(ctx, ctx.i)
            self._seen[name] = self.looker.once(ctx, x, source.cond, reads, name, grad=False)
        self._measure(acting)
