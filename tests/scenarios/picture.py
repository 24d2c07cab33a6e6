"""`python -m tests.scenarios.picture`: draws docs/window.svg, the window that follows capacity in one scenario."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.scenarios.case import load
from tests.scenarios.policies import POLICIES
from tests.scenarios.world import play

ROOT = Path(__file__).parents[2]
CASE = Path(__file__).parent / "cases" / "doubles_and_halves.yaml"
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 300, 52, 34, 16, 44
GRID_S, GRID_DOCUMENTS = 50, 20

Points = Sequence[tuple[float, float]]


class Plot:
    """Lines over seconds and documents, as SVG."""

    def __init__(self, seconds: float, most: float) -> None:
        self._seconds, self._most = seconds, most
        frame = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" role="img"'
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {frame}>',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        ]

    def x(self, second: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * second / self._seconds

    def y(self, documents: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * documents / self._most

    def grid(self) -> None:
        """Draw the axes with their numbers."""
        for documents in range(0, int(self._most) + 1, GRID_DOCUMENTS):
            y = f"{self.y(documents):.1f}"
            self.parts.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#ddd"/>')
            self.text(LEFT - 8, self.y(documents) + 4, str(documents), "end")
        for second in range(0, int(self._seconds) + 1, GRID_S):
            self.text(self.x(second), HEIGHT - BOTTOM + 18, str(second), "middle")
        self.text((LEFT + WIDTH) / 2, HEIGHT - 8, "seconds", "middle")

    def text(self, x: float, y: float, text: str, anchor: str = "start", fill: str = "#333") -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{text}</text>')

    def line(self, points: Points, colour: str, label: str, place: int, width: float = 1.5) -> None:
        """Draw a line, and its name above the plot."""
        path = "L".join(f"{self.x(at):.1f} {self.y(value):.1f}" for at, value in points)
        self.parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        self.text(LEFT + 225 * place, 18, label, fill=colour)

    def svg(self) -> str:
        return "\n".join([*self.parts, "</svg>", ""])


def steps(changes: Points, until: float) -> list[tuple[float, float]]:
    """Return the corners of a level that jumps."""
    corners: list[tuple[float, float]] = []
    for at, value in changes:
        corners += [(at, corners[-1][1]), (at, value)] if corners else [(at, value)]
    return [*corners, (until, corners[-1][1])]


def main() -> None:
    case = load(CASE)
    windows = play(case, POLICIES["ours"]).measured.windows
    plot = Plot(case.seconds, 20 * (1 + max(window for _, window, _ in windows) // 20))
    plot.grid()
    allocations = [
        (0.0, float(case.server.allocations)),
        *((one.at, float(one.allocations or 0)) for one in case.events),
    ]
    plot.line(steps(allocations, case.seconds), "#888", "allocations", 0, 2.5)
    plot.line([(at, pending) for at, _, pending in windows], "#e08a00", "documents at the deployment", 1)
    plot.line([(at, window) for at, window, _ in windows], "#0b64c0", "window", 2)
    (ROOT / "docs" / "window.svg").write_text(plot.svg(), "utf-8")


if __name__ == "__main__":
    main()
