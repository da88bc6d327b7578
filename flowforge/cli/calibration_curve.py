"""The risk-coverage curve as a picture: how often the surest so-many files were answered differently."""

from collections.abc import Iterator, Sequence

from flowforge.resolve.calibrate import Figures, Point

_WIDE, _HIGH = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 16, 44
_STEP = 0.05


def curve_svg(shipped: Figures, own: Figures, k: float) -> str:
    """A figure with both curves, the bar `1/k`, and where each policy stands."""
    if not shipped.curve and not own.curve:
        return ""
    scale = _scale((*shipped.curve, *own.curve), k)
    parts = [*_axes(scale), *_bar(scale, k)]
    for name, figures, words in (("shipped", shipped, "as shipped"), ("own", own, "own counts")):
        parts += [*_line(figures.curve, name, scale), *_dot(figures, name, words, scale)]
    drawn = "\n".join(parts)
    return (
        f"<figure><svg viewBox='0 0 {_WIDE} {_HIGH}' width={_WIDE} height={_HIGH} role=img "
        f"aria-label='Risk by coverage, as shipped and by own counts'>\n{drawn}\n</svg>\n"
        "<figcaption>Files of the later part, the surest first: how many of those answered differ from what people "
        "committed. Dots: what each policy acts on without asking. Acting pays below the dashed line, where less than "
        f"one answer in {k:g} is wrong. <span class=keys><b class=key-own>Solid: own counts.</b> "
        "<b class=key-shipped>Dashed: as shipped.</b></span></figcaption></figure>"
    )


class _Scale:
    """From shares to places in the picture; the highest risk is at the top."""

    def __init__(self, highest: float, widest: float) -> None:
        self.highest, self.widest = highest, widest

    def x(self, coverage: float) -> float:
        return round(_LEFT + coverage / self.widest * (_WIDE - _LEFT - _RIGHT), 1)

    def y(self, risk: float) -> float:
        return round(_HIGH - _BOTTOM - risk / self.highest * (_HIGH - _TOP - _BOTTOM), 1)


def _scale(points: Sequence[Point], k: float) -> _Scale:
    highest = max(2 / k, *(point.risk for point in points))
    widest = max(point.coverage for point in points)
    return _Scale(_up(min(highest, 1.0)), _up(min(widest, 1.0)))


def _up(share: float) -> float:
    """The next whole step, so that the axis ends on a number."""
    steps = int(share / _STEP + 0.999)
    return max(1, steps) * _STEP


def _axes(scale: _Scale) -> Iterator[str]:
    for share in _ticks(scale.highest):
        y = scale.y(share)
        yield f"<line class=axis x1={_LEFT} x2={_WIDE - _RIGHT} y1={y} y2={y} />"
        yield f"<text x={_LEFT - 8} y={y + 4} text-anchor=end>{share * 100:.0f} %</text>"
    for share in _ticks(scale.widest):
        x = scale.x(share)
        yield f"<text x={x} y={_HIGH - _BOTTOM + 18} text-anchor=middle>{share * 100:.0f} %</text>"
    yield f"<text x={_WIDE - _RIGHT} y={_HIGH - 6} text-anchor=end>share of conflicting files that are answered</text>"
    yield f"<text x=4 y={_HIGH - 6}>up: share of answers that differ</text>"


def _ticks(end: float) -> Sequence[float]:
    steps = round(end / _STEP)
    every = max(1, -(-steps // 6))
    return [number * _STEP for number in range(0, steps + 1, every)]


def _bar(scale: _Scale, k: float) -> Iterator[str]:
    if 1 / k <= scale.highest:
        y = scale.y(1 / k)
        yield f"<line class=bar-line x1={_LEFT} x2={_WIDE - _RIGHT} y1={y} y2={y} />"
        yield f"<text x={_WIDE - _RIGHT} y={y - 5} text-anchor=end>1 in {k:g}</text>"


def _line(curve: Sequence[Point], name: str, scale: _Scale) -> Iterator[str]:
    if curve:
        places = " ".join(f"{scale.x(point.coverage)},{scale.y(point.risk)}" for point in curve)
        yield f"<polyline class={name} points='{places}' />"
        yield from (
            f"<circle class={name} cx={scale.x(p.coverage)} cy={scale.y(p.risk)} r=1.5 />" for p in curve
        )


def _dot(figures: Figures, name: str, words: str, scale: _Scale) -> Iterator[str]:
    acted = figures.acted
    if acted.precision is None:
        return
    x, y = scale.x(min(acted.coverage, scale.widest)), scale.y(min(1 - acted.precision, scale.highest))
    yield f"<circle class={name} cx={x} cy={y} r=5><title>{words}: acts on {acted.coverage * 100:.1f} %</title></circle>"
