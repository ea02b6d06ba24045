"""Base of methods that sample step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, field_validator

from scumble.core.traits_of_sampling import OTHER_SOLVERS, SolverName
from scumble.errors import MethodError
from scumble.methods.method import Method

if TYPE_CHECKING:
    from scumble.core.solver import Solver
    from scumble.methods.batch import EditBatch

__all__ = ["Sampled"]


class Sampled(Method):
    """Fields of methods that sample step by step."""

    samples: ClassVar[bool] = True

    num_inference_steps: int = Field(default=50, ge=1, le=1000)
    """Steps N of a full run."""
    solver: SolverName = "ddim"
    """Sampler: dpmpp_2m and unipc need about half the steps; lcm and tcd are for models trained for them; plms is for
    comparison with old software."""
    eta: float = Field(default=0.0, ge=0, le=1)
    """Noise added at each ddim step: 0 is deterministic, 1 ancestral."""

    @field_validator("solver", mode="before")
    @classmethod
    def _refused(cls, given: Any) -> Any:
        """Say why a well-known rule is not here."""
        if isinstance(given, str) and (reason := OTHER_SOLVERS.get(given.lower().replace("-", "_"))):
            raise ValueError(reason)
        return given

    def make_solver(self, batch: EditBatch, steps: int) -> Solver:
        """Return the solver for a run of ``steps`` steps on the batch's model.

        Raises:
            MethodError: If eta is not 0 and the solver is not ddim.
        """
        from scumble.core.solvers import solver_named

        if self.eta and self.solver != "ddim":
            raise MethodError(
                f"eta {self.eta:g} is the noise of the ddim solver, {self.solver} has its own; use --solver ddim"
            )
        return solver_named(self.solver, batch.model.schedule, steps, self.eta)
