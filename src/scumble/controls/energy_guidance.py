"""Guidance by energies: all of a step share one graph and, for each place where they act, one backward.

Energies of the prediction are judged apart from the network: what they find is carried through it by one
vector-Jacobian product. Energies of activations belong to the network's own graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import torch
from torch import Tensor

from scumble.controls.activation_reader import ActivationReader, joined
from scumble.controls.cap import limit_norm
from scumble.controls.energy_sources import SourceRow, StepReadings
from scumble.controls.energy_value import checked_value, finite, gradient_at, half_scale
from scumble.controls.slopes import Acting, place_of, slopes
from scumble.core.conditioning import Conditioning
from scumble.core.control import Branch, Control, RunState, Start, Transition
from scumble.core.prediction import Prediction
from scumble.core.schedule import conditional_variance
from scumble.core.traits import AttentionRead, Traits
from scumble.energies.protocol import Observation, Place, WeightedEnergy
from scumble.errors import MethodError

__all__ = ["EnergyGuidance"]

MOST_REPEATS = 20


@dataclass
class EnergyGuidance(Control):
    """Push the run down the gradient of energies; see :class:`scumble.energies.protocol.WeightedEnergy` for the places.

    Put it behind the control that asks for the guided row. At a step where no guide is active it does nothing at all.
    Else the guided row is evaluated with a graph, the others without; where only activations are read the graph ends
    at the last of them. A source's row is reduced to what the energies measure.

    Args:
        guides: The energies at work.
        cond: Conditioning of the guided row.
        reader: Reads what the energies look at.
        sources: Row name -> picture that energies compare with.
        row: The guided row.
        cap: Limit of the shift of ``eps``, as a share of eps (both root mean square, each sample by itself): weights
            then need no tuning. None: no limit.
        exactly: Bring the shift of ``eps`` to the cap also where it is smaller.
        most: With ``exactly``: the largest factor for each cell of the picture; more is fading rounding noise.
        scale: Multiplies all gradients.
        by_sigma: Multiply the shift of ``eps`` by the noise level s, as the paper does and its notebook does not.
        values: Energies of the last active step (B,), by name.
    """

    guides: Sequence[WeightedEnergy]
    cond: Conditioning
    reader: ActivationReader = field(default_factory=ActivationReader)
    sources: Mapping[str, SourceRow] = field(default_factory=dict)
    row: str = "cond"
    cap: float | None = None
    exactly: bool = False
    most: float = inf
    scale: float = 1.0
    by_sigma: bool = True
    values: dict[str, Tensor] = field(default_factory=dict)
    _step: StepReadings = field(default_factory=StepReadings)
    _shift: Tensor | None = None
    _beta: Tensor | None = None
    _stop: bool = False

    def traits(self, ctx: RunState) -> Traits:
        """Gradients are taken through the attention that its energies read."""
        steps = [frozenset(i for i in range(ctx.steps) if guide.factor(i, ctx.steps)) for guide in self.guides]
        return Traits(
            takes_gradient=tuple(
                AttentionRead(guide.energy.name, frozenset(guide.energy.reads.attention), when)
                for guide, when in zip(self.guides, steps, strict=True)
            )
        )

    def check(self, ctx: RunState) -> None:
        """Refuse shifts that the solver does not look at.

        Raises:
            MethodError: Naming it.
        """
        if ctx.solver.name == "plms" and any(guide.weight and guide.place == "x0" for guide in self.guides):
            raise MethodError("plms makes its step of eps alone, a shift of x0 has no effect: use place eps, or ddim")

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

    def active(self, ctx: RunState, *places: Place) -> list[Acting]:
        """Number, guide and factor of those that act at this step, at one of the places."""
        if ctx.level.a == 0:  # no signal: a shift of eps would be an infinite one of x0
            return []
        silent = {"mean/step"} if ctx.next_level.s == 0 else set()  # the last step adds no noise
        guides = ((k, g) for k, g in enumerate(self.guides) if g.place in places and place_of(g) not in silent)
        return [(k, g, w) for k, g in guides if (w := g.factor(ctx.i, ctx.steps))]

    def before(self, ctx: RunState, x: Tensor) -> Tensor:
        """Move x by the guides of that place; each move is one call of the network, left as early as possible."""
        self._step, self._shift = StepReadings(), None
        at_x = self.active(ctx, "x")
        if not at_x:
            return x
        self._step.evaluate(ctx, at_x, self.sources, self.reader)
        goals = {k: goal for k, g, _ in at_x if (goal := g.refine.get(ctx.i)) is not None}
        for _ in range(MOST_REPEATS if goals else 1):
            leaf = x.detach().requires_grad_(True)
            reads = joined(g.energy.reads for _, g, _ in at_x)
            observation = self.reader.once(ctx, leaf, self.cond, reads, self.row, grad=True)
            with torch.enable_grad():
                values = {one[0]: self._value(one, observation) for one in at_x}
                if goals and all(bool((values[k] <= goal).all()) for k, goal in goals.items()):
                    return x
                loss = sum(w * values[k].sum() for k, _, w in at_x)
                assert isinstance(loss, Tensor)
                x = x - finite(ctx, gradient_at(ctx, [(loss * half_scale(ctx), None)], leaf, self.scale, keep=False))
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
            if name is not None
            and name in self.sources
            and name not in present
            and not self._step.complete(acting, name)
        ]
        # Somebody else's graph must not end where ours does.
        shared = any(row.grad for row in rows)
        self._stop = bool(through) and not shared and not any(g.energy.reads.prediction for g in through)
        ctx.gradients += bool(through)
        grad = bool(through)
        return [*more, *(replace(row, grad=row.grad or grad) if row.name == self.row else row for row in rows)]

    def taps(self, ctx: RunState) -> Sequence[Any]:
        """Read what the energies look at."""
        acting = self.active(ctx, "eps", "x0", "mean")
        reads = joined(g.energy.reads for _, g, _ in acting)
        sources = {g.energy.source for _, g, _ in acting} - {None}
        names = [name for name in (self.row, *sources) if name is not None]

        def done() -> None:
            if self._stop and ctx.gradients == 1 and self.row in ctx.layout and torch.is_grad_enabled():
                torch.set_grad_enabled(False)  # the call's own context sets it back

        return self.reader.taps(ctx, reads, names, self._step.observations, done)

    def predict(self, ctx: RunState, rows: Mapping[str, Prediction], prediction: Prediction) -> Prediction:
        """Take the gradients; apply those of eps and x0."""
        acting = self.active(ctx, "eps", "x0", "mean")
        if not acting:
            return prediction
        for name, observation in self._step.observations.items():
            if name != self.row and name in rows:
                self.reader.complete(observation, rows[name])
        self._step.measure(acting)
        guided = prediction.detach()
        with torch.enable_grad():
            gradients = self.through_network(ctx, rows[self.row], prediction)
            x = self._x(ctx, guided)
            direct = [one for one in acting if not one[1].through_network]
            for place, slope in slopes(ctx, x, guided, self.reader.decode, direct, self._value).items():
                if slope.x0 is None:
                    raise MethodError("energies that leave out the network must judge the predicted picture")
                gradient = self.scale * slope.x0 / ctx.level.a
                gradients[place] = gradients[place] + gradient if place in gradients else gradient
        for gradient in gradients.values():
            finite(ctx, gradient)
        if "eps" in gradients:
            guided = self.shift_noise(ctx, guided, gradients["eps"], x)
        if "x0" in gradients:
            guided = replace(guided, x0=guided.x0 - gradients["x0"])
        self._shift = gradients.get("mean/step")
        self._beta = gradients.get("mean/beta")
        return guided

    def after(self, ctx: RunState, move: Transition) -> Transition:
        """Move the mean."""
        if self._shift is not None:
            move = self.shift_mean(move, self._shift)
        if self._beta is not None:
            sigma = conditional_variance(ctx.level, ctx.next_level) * ctx.next_level.a / ctx.level.a
            move = move.shifted(-sigma * self._beta)
        self._shift = self._beta = None
        self._step.observations = {}
        return move

    def judged(self, row: Prediction, guided: Prediction) -> Prediction:
        """Return the guided prediction as energies judge it: with the graph of the conditional row, if it has one."""
        x0, eps = (guided.x0 - row.x0).detach(), (guided.eps - row.eps).detach()
        return Prediction(row.x0 + x0, row.eps + eps)

    def shift_noise(self, ctx: RunState, prediction: Prediction, gradient: Tensor, x: Tensor) -> Prediction:
        """Return the prediction at x with both halves moved: ``eps + s g``, limited."""
        sigma = ctx.level.s if self.by_sigma else 1.0
        shift = limit_norm(sigma * gradient, prediction.eps, self.cap, self.exactly, self.most * gradient[0, 0].numel())
        x0 = prediction.x0 - (ctx.level.s / ctx.level.a) * shift
        return replace(prediction, x0=x0, eps=prediction.eps + shift)

    def shift_mean(self, move: Transition, gradient: Tensor) -> Transition:
        """Return the step with its mean moved by the variance of its noise times the gradient."""
        return move.shifted(-(move.std**2) * gradient)

    def _x(self, ctx: RunState, prediction: Prediction) -> Tensor:
        """The noisy tensor of the step."""
        leaf = ctx.leaf if ctx.leaf is not None else ctx.level.a * prediction.x0 + ctx.level.s * prediction.eps
        return leaf.detach()

    def through_network(self, ctx: RunState, row: Prediction, judged: Prediction) -> dict[str, Tensor]:
        """Return the weighted gradient at x of each place (B, C, h, w): one backward through the network each.

        Args:
            ctx: The run, with the leaf of its graph.
            row: The guided row's prediction, with the graph that leads to the leaf.
            judged: What the energies judge: the prediction after guidance. The gradient goes through the row alone.
        """
        acting = [one for one in self.active(ctx, "eps", "x0", "mean") if one[1].through_network]
        if not acting or ctx.leaf is None:
            return {}
        leaf, half = ctx.leaf, half_scale(ctx)
        inside, outside = [one for one in acting if _inside(one)], [one for one in acting if not _inside(one)]
        roots: dict[str, list[tuple[Tensor, Tensor | None]]] = {}
        at_x: dict[str, Tensor] = {}
        separate = slopes(ctx, leaf, self.judged(row, judged), self.reader.decode, outside, self._value, half)
        for place, slope in separate.items():
            pairs = ((row.x0, slope.x0), (row.eps, slope.eps))
            roots[place] = [(tensor, gradient) for tensor, gradient in pairs if gradient is not None]
            if slope.x is not None:
                at_x[place] = slope.x * (self.scale / half)
        for place, loss in self._activations(ctx, leaf, row, judged, inside).items():
            roots.setdefault(place, []).append((loss * half, None))
        gradients: dict[str, Tensor] = {}
        for n, (place, outputs) in enumerate(roots.items()):
            last = n + 1 == len(roots)
            gradients[place] = gradient_at(ctx, outputs, leaf, self.scale, keep=not last or ctx.gradients > 1)
            if place in at_x:
                gradients[place] = gradients[place] + at_x[place]
        ctx.gradients -= 1
        return gradients

    def _activations(
        self, ctx: RunState, leaf: Tensor, row: Prediction, judged: Prediction, acting: list[Acting]
    ) -> dict[str, Tensor]:
        """Return the weighted energies of activations, summed for each place, with the network's graph."""
        if not acting:
            return {}
        observation = self._step.observations.setdefault(self.row, Observation(ctx, leaf))
        observation.x, observation.decode = leaf, self.reader.decode
        with_graph = EnergyGuidance.judged(self, row, judged)
        observation.x0, observation.eps = with_graph.x0, with_graph.eps
        losses: dict[str, Tensor] = {}
        for one in acting:
            place = place_of(one[1])
            losses[place] = losses.get(place, 0.0) + one[2] * self._value(one, observation).sum()
        return losses

    def _value(self, one: Acting, observation: Observation) -> Tensor:
        """Return an energy's values (B,), checked, and keep them."""
        value = checked_value(one, observation, self._step.reference(one))
        self.values[one[1].energy.name] = value.detach()
        return value


def _inside(one: Acting) -> bool:
    """Whether an energy looks into the network."""
    return bool(one[1].energy.reads.attention or one[1].energy.reads.features)
