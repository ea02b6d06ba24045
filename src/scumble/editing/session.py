"""A session: one image edited again and again, where only the newest wish counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import ValidationError

from scumble.errors import InputError, first_problem
from scumble.images import Source, load_image

if TYPE_CHECKING:
    from scumble.editing.editor import Editor
    from scumble.editing.result import Result
    from scumble.methods.method import Method
    from scumble.methods.watch import OnStep
    from scumble.records.view import View

__all__ = ["Session"]


class Session:
    """Keeps an image decoded, a model loaded and its prompts embedded, for edits that follow each other quickly.

    Calls may come from several threads, one for each stroke of a brush: an edit that is overtaken by a newer one stops
    before its next network call and raises :class:`~scumble.errors.CancelledError`; the newest one is made.

    Args:
        editor: Whose model edits; with ``runtime="openvino"`` its converted networks are kept, too.
        image: The image.
        method: What to do; single fields are replaced at each edit.
        seed: Seed of every edit, so that only what was changed changes.
        view: How the image is looked at.
    """

    def __init__(
        self, editor: Editor, image: Source, method: Method, *, seed: int = 0, view: View | None = None
    ) -> None:
        self.editor, self.method, self.seed, self.view = editor, method, seed, view
        self.image = load_image(image)
        self._lock, self._newest = threading.Lock(), 0
        editor.expect_many()

    def edit(self, *, on_step: OnStep | None = None, **fields: object) -> Result:
        """Edit with single fields of the method replaced, for example ``change_map=``; they stay replaced.

        Args:
            on_step: Told about each step.
            fields: New values of the method's fields.

        Raises:
            InputError: For an unknown field or a value out of its range.
            CancelledError: If a newer edit has overtaken this one.
        """
        with self._lock:
            self.method = _replaced(self.method, fields)
            self._newest += 1
            mine, method = self._newest, self.method
        cancel = self._overtaken(mine)
        return self.editor.edit(self.image, method, seed=self.seed, on_step=on_step, cancel=cancel, view=self.view)

    def _overtaken(self, number: int) -> Callable[[], bool]:
        return lambda: self._newest != number


def _replaced(method: Method, fields: dict[str, object]) -> Method:
    """Return the method with fields replaced and checked.

    Raises:
        InputError: For an unknown field or a value out of its range.
    """
    given = {name: getattr(method, name) for name in method.model_fields_set}
    try:
        return type(method).model_validate({**given, **fields})
    except ValidationError as error:
        name, reason = first_problem(error)
        raise InputError(f"{name}: {reason}") from error
