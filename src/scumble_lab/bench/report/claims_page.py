"""The verdicts on claims as files of their own: they outlive the folder of edits, and change without it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from scumble.errors import InputError
from scumble.files import atomic_write
from scumble_lab.bench.claims import CLAIMS
from scumble_lab.bench.report.plots import curves_plot
from scumble_lab.bench.report.tables import Table, markdown
from scumble_lab.bench.verdicts import Verdict

__all__ = ["DATA", "PAGE", "read_claims", "write_claims"]

PAGE, DATA = "claims.md", "claims.json"
_VERDICTS = TypeAdapter(list[Verdict])
_OPENING = (
    "{made} of {all} experiments were made. A claim holds, or does not hold, where the 95 % interval of its figure lies"
    " on one side of zero, or of the bound that is named; it is undecided where the interval holds zero."
)


def write_claims(output: Path, fresh: Iterable[Verdict]) -> list[Path]:
    """Write `claims.json`, `claims.md` and the plots; verdicts of other experiments that were there stay.

    Raises:
        InputError: if the `claims.json` that is there cannot be read, or matplotlib is missing for a plot.
    """
    verdicts = {verdict.name: verdict for verdict in (*read_claims(output), *fresh)}
    order = list(CLAIMS)
    known = sorted(verdicts.values(), key=lambda v: order.index(v.name) if v.name in order else len(order))
    if not known:
        return []
    pictures = output / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    plots = [curves_plot(verdict.name, verdict.plot) for verdict in known if verdict.plot is not None]
    written = [_written(pictures / f"{plot.key}.svg", plot.svg) for plot in plots]
    shown = [verdict for verdict in known if (pictures / f"{verdict.name}.svg").is_file()]
    data = json.dumps(_VERDICTS.dump_python(known, mode="json"), indent=1, ensure_ascii=False)
    return [_written(output / DATA, data + "\n"), _written(output / PAGE, _page(known, shown)), *written]


def read_claims(folder: Path) -> list[Verdict]:
    """The verdicts of a folder's `claims.json`; none where there is no such file.

    Raises:
        InputError: if it is damaged.
    """
    path = folder / DATA
    if not path.exists():
        return []
    try:
        return _VERDICTS.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{path} holds no verdicts ({type(error).__name__}): move it away, or restore it") from error


def _page(known: Sequence[Verdict], shown: Sequence[Verdict]) -> str:
    rows = tuple((v.name, f"{v.statement} ({v.paper})", v.verdict, v.reason) for v in known)
    names = {verdict.name for verdict in known}
    missing = [name for name in CLAIMS if name not in names]
    parts = [
        "# What the papers claim",
        _OPENING.format(made=len(names & set(CLAIMS)), all=len(CLAIMS)),
        f"Not made: {', '.join(missing)}." if missing else "",
        markdown(Table("", "", ("experiment", "claim", "verdict", "figures"), rows)),
        *(f"![{verdict.name}](pictures/{verdict.name}.svg)\n\n{_caption(verdict)}" for verdict in shown),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _caption(verdict: Verdict) -> str:
    return f"{verdict.plot.title} ({verdict.name})." if verdict.plot else f"{verdict.name}."


def _written(path: Path, content: str) -> Path:
    with atomic_write(path) as unfinished:
        unfinished.write_text(content, encoding="utf-8")
    return path
