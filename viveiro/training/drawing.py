"""SVG by hand: one page, one palette, light and dark. Pure text, so that a commit's pictures compare line by line.

The colours keep apart for every kind of colour vision (after Okabe and Ito 2008), and each picture paints its own paper,
so that it can be read on a page whose theme is not the system's.
"""

import math
import re
from dataclasses import dataclass, field
from html import escape
from typing import Final

WIDTH: Final = 640
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STYLE: Final = """
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-size:12px;fill:#1f2328}
.heading{font-size:15px;font-weight:600}.small{font-size:11px}.tiny{font-size:9px}.muted{fill:#59636e}
.strong{font-weight:600}.end{text-anchor:end}.middle{text-anchor:middle}.inverse{fill:#fff}
.paper{fill:#fff;stroke:#d1d9e0}.grid{stroke:#e4e8ec;fill:none}.axis{stroke:#818b98;fill:none}
.guide{stroke:#818b98;stroke-dasharray:4 4;fill:none}
.model{fill:#0072b2}.model-line{stroke:#0072b2;fill:none;stroke-width:2.25;stroke-linejoin:round}
.rival{fill:#c4520a}.rival-line{stroke:#c4520a;fill:none;stroke-width:2.25;stroke-linejoin:round}
.other{fill:#818b98}.other-line{stroke:#818b98;fill:none;stroke-width:2.25}.ring{stroke:#fff;stroke-width:2}
@media (prefers-color-scheme:dark){
text{fill:#f0f6fc}.muted{fill:#9198a1}.inverse{fill:#0d1117}
.paper{fill:#0d1117;stroke:#3d444d}.grid{stroke:#262c36}.axis,.guide{stroke:#7d8590}
.model{fill:#56b4e9}.model-line{stroke:#56b4e9}.rival{fill:#f0883e}.rival-line{stroke:#f0883e}
.other{fill:#9198a1}.other-line{stroke:#9198a1}.ring{stroke:#0d1117}
}
"""


@dataclass
class Canvas:
    """What is drawn, and what someone who does not see it is told. Colours and sizes are class names of the style."""

    title: str
    description: str
    height: float
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, content: str, style: str = "", *, turned: bool = False) -> None:
        rotation = {"transform": f"rotate(-90 {number(x)} {number(y)})"} if turned else {}
        self._add("text", xml(content), x=x, y=y, style=style, **rotation)

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        self._add("line", x1=x1, y1=y1, x2=x2, y2=y2, style=style)

    def box(
        self, x: float, y: float, width: float, height: float, style: str, *, opacity: float = 1, note: str = ""
    ) -> None:
        """A filled rectangle; `note` shows when a pointer rests on it."""
        self._add("rect", _note(note), x=x, y=y, width=width, height=height, style=style, fill_opacity=opacity)

    def dot(self, x: float, y: float, radius: float, style: str, *, note: str = "") -> None:
        self._add("circle", _note(note), cx=x, cy=y, r=radius, style=style)

    def path(self, points: list[tuple[float, float]], style: str, *, opacity: float = 1) -> None:
        steps = "L".join(f"{number(x)} {number(y)}" for x, y in points)
        self._add("path", d=f"M{steps}", style=style, fill_opacity=opacity)

    def svg(self) -> str:
        width, height = number(WIDTH), number(self.height)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            f' role="img" aria-labelledby="title description">'
        )
        told = f'<title id="title">{xml(self.title)}</title>\n<desc id="description">{xml(self.description)}</desc>'
        paper = f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{number(self.height - 1)}" rx="8"/>'
        heading = f'<text class="heading" x="24" y="32">{xml(self.title)}</text>'
        return "\n".join([head, told, f"<style>{_STYLE}</style>", paper, heading, *self.parts, "</svg>", ""])

    def _add(self, tag: str, content: str = "", *, style: str, **attributes: float | str) -> None:
        written = "".join(
            f' {name.replace("_", "-")}="{value if isinstance(value, str) else number(value)}"'
            for name, value in attributes.items()
            if (name, value) != ("fill_opacity", 1)
        )
        named = f' class="{style}"' if style else ""
        self.parts.append(f"<{tag}{named}{written}>{content}</{tag}>" if content else f"<{tag}{named}{written}/>")


@dataclass(frozen=True, slots=True)
class Plot:
    """A rectangle of the canvas, and the values that its edges stand for."""

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def right(self) -> float:
        return self.left + self.width

    def x(self, value: float) -> float:
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * self.width

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.bottom - (value - low) / (high - low) * self.height

    def place(self, x: float, y: float) -> tuple[float, float]:
        return self.x(x), self.y(y)

    def grid(self, canvas: Canvas, x_ticks: list[float], y_ticks: list[float]) -> None:
        """Thin lines with their values beside them, and the two axes."""
        for value in x_ticks:
            canvas.line(self.x(value), self.top, self.x(value), self.bottom, "grid")
            canvas.text(self.x(value), self.bottom + 17, number(value), "small muted middle")
        for value in y_ticks:
            canvas.line(self.left, self.y(value), self.right, self.y(value), "grid")
            canvas.text(self.left - 8, self.y(value) + 4, number(value), "small muted end")
        canvas.line(self.left, self.bottom, self.right, self.bottom, "axis")

    def names(self, canvas: Canvas, x_name: str, y_name: str) -> None:
        canvas.text(self.left + self.width / 2, self.bottom + 36, x_name, "muted middle")
        canvas.text(self.left - 42, self.top + self.height / 2, y_name, "muted middle", turned=True)


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round values between two bounds, about as many as wanted: steps of 1, 2 or 5 and a power of ten."""
    if high <= low:
        return [low]
    rough = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [round(step * n, 10) for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def shortened(text: str, length: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1].rstrip() + "…"


def number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) < 1e5 else f"{value:.0f}"


def xml(text: str) -> str:
    """Harmless in an element and in an attribute. What XML has no way to say becomes a question mark."""
    return escape(_NOT_XML.sub("?", text))


def _note(note: str) -> str:
    return f"<title>{xml(note)}</title>" if note else ""
