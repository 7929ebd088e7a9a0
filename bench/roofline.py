"""The roofline picture: what each kernel reached, beside what the machine could do.

A kernel of F operations that moves B bytes lies at F / B operations a byte and at the F / t that it
reached; no kernel that computes by the definition can lie above the roof, min(bandwidth * F / B,
peak). Winograd's algorithms need fewer operations than the definition, which both F's count, and
a result that stays in a cache is not bound by memory: both may.

`run.py --picture FILE` draws it. D1 to D5 and T1 to T5 are the layers of DCGAN-64's discriminator
and generator; `cases.py` has the shapes of all.

Williams, Waterman & Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52 (2009) 65.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from plots import COLOURS, Axis, Panel, Sheet

from tinygan.kernels.machine import Machine

ROOF = "#222222"
PANELS = {
    "Convolutions, forward": " fwd",
    "Convolutions, input gradient": " dX",
    "Convolutions, weight gradient": " dW",
    "Products and passes over memory": "",
}
X, Y = "operations a byte, by the definition", "GFLOP/s"


@dataclass(frozen=True)
class Measured:
    """A kernel on a case.

    Attributes:
        name: of the case.
        algorithm: of the kernel: backend/variant.
        flops: operations of the case, by the definition.
        moved: bytes of operands and results.
        seconds: that it took.
    """

    name: str
    algorithm: str
    flops: float
    moved: float
    seconds: float

    @property
    def point(self) -> tuple[float, float]:
        """Operations a byte, and GFLOP/s."""
        return self.flops / self.moved, self.flops / self.seconds / 1e9


def draw(path: Path, machine: Machine, found: Sequence[Measured], caption: str) -> None:
    """Write the picture: a panel for each pass of the convolutions, one for all else."""
    rest = list(found)
    parts: dict[str, list[Measured]] = {}
    for title, ending in PANELS.items():
        parts[title] = [each for each in rest if each.name.endswith(ending)]
        rest = [each for each in rest if each not in parts[title]]
    convolutions = [each for title, part in parts.items() if PANELS[title] for each in part]
    drawn = [(title, part) for title, part in parts.items() if part]
    sheet = Sheet(1120, 60 + 540 * len(drawn))
    sheet.text((90, 28), caption)
    for index, (title, part) in enumerate(drawn):
        same = convolutions if PANELS[title] else part  # passes are compared on the same axes
        top = 90 + 540 * index
        _panel(sheet, (90, top, 1100, top + 440), title, machine, part, same)
    sheet.save(path)


def _axes(found: Sequence[Measured], machine: Machine) -> tuple[Axis, Axis]:
    ridge = machine.gflops / machine.gbytes  # where the roofs meet
    xs, ys = zip(*(each.point for each in found), strict=True)
    room = 1.5  # for labels beyond the last and the highest
    x = Axis.around(X, [*xs, ridge, room * max(xs)])
    return x, Axis.around(Y, [*ys, room * max(*ys, machine.gflops)])


def _panel(sheet, box, title, machine, found, same) -> None:
    """Draw some kernels; axes and colours are those of `same`, which may be more of them."""
    x, y = _axes(same, machine)
    algorithms = sorted({each.algorithm for each in same})
    colours = dict(zip(algorithms, COLOURS * len(algorithms), strict=False))
    panel = Panel(sheet, box, x=x, y=y, title=title)
    ridge = machine.gflops / machine.gbytes
    start = max(x.low, y.low / machine.gbytes)
    panel.line(
        [(start, machine.gbytes * start), (ridge, machine.gflops), (x.high, machine.gflops)], ROOF
    )
    used = {name: colours[name] for name in sorted({each.algorithm for each in found})}
    panel.legend((box[2] - 190, box[3] - 21 * len(used) - 4), used)
    for each in found:
        panel.marker(*each.point, colours[each.algorithm])
    roofs = [(x.low * (x.high / x.low) ** 0.97, machine.gflops, f"{machine.gflops:.0f} GFLOP/s")]
    if start < ridge / 2:
        middle = (start * ridge) ** 0.5
        roofs.append((middle, machine.gbytes * middle, f"{machine.gbytes:.0f} GB/s"))
    panel.labels(roofs)
    panel.labels([(*each.point, _short(each.name, title)) for each in found])


def _short(name: str, title: str) -> str:
    """Return a name without what the panel says, or what the table of run.py has."""
    words = name.removesuffix(PANELS[title]).removesuffix(" square").split()
    if words[0] == "matmul":
        return " ".join(words[1:])
    if re.fullmatch("[DT][1-9]", words[0]):
        return words[0]
    return " ".join(word for word in words if "->" not in word)
