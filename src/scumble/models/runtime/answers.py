"""Record which phases of an edit a runtime answered, and which PyTorch did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

__all__ = ["Answers"]


class Answers:
    """Network calls of one edit by phase: all of them, and those that the runtime answered.

    Attributes:
        stage: The phase of the next call.
    """

    def __init__(self) -> None:
        self.stage = ""
        self._calls: Counter[str] = Counter()
        self._fast: Counter[str] = Counter()

    def called(self, stage: str) -> None:
        """Count a network call of a phase."""
        self.stage = stage
        self._calls[stage] += 1

    def answered(self) -> None:
        """Count that the runtime answered it."""
        self._fast[self.stage] += 1

    def sentence(self, name: str) -> str:
        """Say what ran where, for example ``networks ran in openvino: invert; in torch: sample``; empty for no calls.

        Args:
            name: Of the runtime.
        """
        slow = {stage: count for stage in self._calls if (count := self._calls[stage] - self._fast[stage])}
        parts = [f"in {name}: {self._listed(self._fast)}"] if any(self._fast.values()) else []
        parts += [f"in torch: {self._listed(slow)}"] if slow else []
        return f"networks ran {'; '.join(parts)}" if parts else ""

    def _listed(self, counts: Mapping[str, int]) -> str:
        """Phases, with the number of calls where it is not all of them."""
        parts = [(stage, count, self._calls[stage]) for stage, count in counts.items() if count]
        return ", ".join(
            stage if count == total else f"{stage} ({count} of {total} calls)" for stage, count, total in parts
        )
