"""The demo's sample pictures, drawn by this code: vehicles, other things, and broken files.

They are drawings, not photos: they show the way of an image, and say nothing about the model's quality.
"""

import functools
import io
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from cli.samples.drawing import Canvas, Colour, Point, Pose, circle, curve, darker, lighter
from vehiclevision.labels import LABELS
from vehiclevision.record import Outcome

BLACK: Final = (22, 22, 24)
DARK: Final = (44, 45, 49)
STEEL: Final = (172, 176, 182)
RED: Final = (190, 28, 30)
BLUE: Final = (32, 70, 160)
GREEN: Final = (30, 110, 60)
ORANGE: Final = (225, 110, 20)
SILVER: Final = (190, 194, 200)
WHITE: Final = (238, 238, 236)


@dataclass(frozen=True)
class Sample:
    """A file to drop, and what should become of it."""

    name: str
    content: bytes
    outcome: Outcome
    label: str | None = None

    @property
    def expected(self) -> str:
        """What the demo's table calls it."""
        return self.label or self.outcome


def write(directory: Path, samples: Sequence[Sample]) -> list[Path]:
    """Write the samples into a folder and return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / sample.name for sample in samples]
    for path, sample in zip(paths, samples, strict=True):
        path.write_bytes(sample.content)
    return paths


@functools.cache
def draw(labels: tuple[str, ...] = LABELS) -> tuple[Sample, ...]:
    """Samples of those vehicles that have a label and can be drawn, of other things and of broken files.

    The bytes are the same every time.
    """
    vehicles = [sample for label in labels if label in _VEHICLES for sample in _VEHICLES[label]()]
    return (*vehicles, *_others(), *_broken())


# ---- backgrounds -------------------------------------------------------------------------------------------------


def _studio(canvas: Canvas) -> None:
    canvas.gradient(0, 0.75, (250, 250, 250), (246, 246, 246))
    canvas.gradient(0.75, 1, (243, 243, 243), (232, 232, 233))


def _meadow(canvas: Canvas) -> None:
    canvas.gradient(0, 0.5, (126, 172, 222), (214, 228, 238))
    canvas.gradient(0.5, 1, (116, 146, 74), (82, 116, 52))
    canvas.speckle((0.36, 0.5), [(52, 84, 44), (68, 100, 50), (86, 112, 60)], 160, 0.035, 11)
    canvas.speckle((0.55, 1.0), [(92, 128, 58), (108, 140, 70), (74, 106, 48)], 900, 0.008, 12)
    canvas.blur(0.006)


def _street(canvas: Canvas) -> None:
    canvas.gradient(0, 0.6, (196, 186, 172), (168, 158, 146))
    for column in range(4):
        left = 0.04 + 0.26 * column
        canvas.polygon([(left, 0.08), (left + 0.13, 0.08), (left + 0.13, 0.4), (left, 0.4)], (112, 122, 132))
    canvas.gradient(0.6, 0.7, (150, 148, 144), (138, 136, 134))
    canvas.gradient(0.7, 1, (104, 104, 106), (84, 84, 88))
    canvas.speckle((0.7, 1.0), [(96, 96, 98), (112, 112, 114), (80, 80, 84)], 900, 0.005, 21)
    canvas.blur(0.007)


def _beach(canvas: Canvas) -> None:
    canvas.gradient(0, 0.4, (112, 168, 226), (188, 216, 236))
    canvas.gradient(0.4, 0.54, (54, 112, 150), (88, 150, 172))
    canvas.gradient(0.54, 1, (222, 204, 166), (204, 182, 140))
    canvas.speckle((0.56, 1.0), [(214, 196, 158), (228, 212, 178)], 700, 0.006, 31)
    canvas.blur(0.005)


def _dusk(canvas: Canvas) -> None:
    canvas.gradient(0, 0.55, (92, 88, 128), (236, 168, 120))
    canvas.gradient(0.55, 1, (98, 88, 84), (62, 56, 58))
    canvas.speckle((0.46, 0.56), [(58, 52, 66), (70, 60, 70)], 90, 0.04, 41)
    canvas.blur(0.008)


def _wall(canvas: Canvas) -> None:
    canvas.gradient(0, 0.76, (178, 120, 96), (158, 104, 84))
    for row in range(13):
        y = 0.06 * row
        canvas.line([(0, y), (1, y)], 0.004, (190, 160, 142))
        for column in range(9):
            x = 0.125 * column + (0.06 if row % 2 else 0)
            canvas.line([(x, y), (x, y + 0.06)], 0.004, (190, 160, 142))
    canvas.gradient(0.76, 1, (170, 166, 160), (140, 136, 132))
    canvas.blur(0.003)


# ---- vehicles ----------------------------------------------------------------------------------------------------


def bicycle(canvas: Canvas, colour: Colour, *, drop_bar: bool = False, basket: bool = False) -> None:
    """A bicycle from its right side."""
    rear, front, crank = (0.235, 0.625), (0.775, 0.625), (0.465, 0.635)
    seat, head, fork = (0.39, 0.345), (0.672, 0.335), (0.692, 0.405)
    canvas.shadow((0.5, 0.825), 0.9, 0.05, 0.45)
    for hub in (rear, front):
        _spoked_wheel(canvas, hub, 0.195)
    canvas.tube([crank, rear], 0.018, colour)
    canvas.tube([rear, (0.4, 0.385)], 0.016, colour)
    canvas.tube([crank, seat], 0.026, colour)
    canvas.tube([(0.403, 0.395), (0.68, 0.368)], 0.026, colour)
    canvas.tube([crank, fork], 0.028, colour)
    canvas.tube([head, fork], 0.03, colour)
    canvas.tube(curve(fork, (0.715, 0.53), front), 0.02, colour)
    canvas.tube([seat, (0.378, 0.3)], 0.016, STEEL)
    canvas.shaded(
        [(0.3, 0.278), (0.385, 0.28), (0.46, 0.29), (0.45, 0.303), (0.38, 0.312), (0.31, 0.308)], (60, 48, 42), BLACK
    )
    canvas.tube([head, (0.66, 0.285)], 0.016, STEEL)
    if drop_bar:
        canvas.line(
            [(0.66, 0.285), (0.735, 0.28), *curve((0.735, 0.28), (0.8, 0.3), (0.76, 0.375)), (0.71, 0.38)], 0.018, BLACK
        )
    else:
        canvas.line([(0.66, 0.285), (0.7, 0.262), (0.64, 0.255), (0.585, 0.268)], 0.018, BLACK)
    if basket:
        canvas.shaded([(0.71, 0.27), (0.86, 0.27), (0.84, 0.39), (0.73, 0.39)], (168, 126, 76), (112, 80, 46))
    canvas.ring(crank, 0.05, 0.012, (70, 70, 74))
    canvas.line([(0.465, 0.587), (0.235, 0.608)], 0.006, (58, 54, 50))
    canvas.line([(0.465, 0.683), (0.235, 0.642)], 0.006, (58, 54, 50))
    canvas.line([(0.425, 0.565), (0.505, 0.715)], 0.014, (96, 98, 102))
    for pedal in ((0.42, 0.56), (0.51, 0.72)):
        canvas.line([(pedal[0] - 0.028, pedal[1]), (pedal[0] + 0.028, pedal[1])], 0.016, BLACK)
    canvas.disc(crank, 0.014, STEEL)


def _spoked_wheel(canvas: Canvas, hub: Point, radius: float) -> None:
    rim = circle(hub, radius)
    for step in range(0, len(rim), 6):
        canvas.line([hub, rim[step]], 0.0028, (150, 152, 156))
    canvas.ring(hub, radius - 0.012, 0.009, STEEL)
    canvas.ring(hub, radius, 0.02, BLACK)
    canvas.disc(hub, 0.015, (120, 122, 126))


def motorcycle(canvas: Canvas, colour: Colour, *, faired: bool = False, chopper: bool = False) -> None:
    """A motorcycle from its right side."""
    rear, front = (0.2, 0.655), (0.86 if chopper else 0.815, 0.655)
    head = (0.64, 0.37) if chopper else (0.675, 0.38)
    canvas.shadow((0.51, 0.805), 0.92, 0.06, 0.6)
    for hub in (rear, front):
        _road_wheel(canvas, hub, 0.17)
    canvas.shaded([(0.19, 0.635), (0.43, 0.6), (0.43, 0.66), (0.19, 0.675)], (96, 98, 104), DARK)
    canvas.tube([(0.24, 0.63), (0.3, 0.47)], 0.032, (150, 152, 158))
    _engine(canvas)
    canvas.tube([(0.66, 0.42), (0.625, 0.69), (0.42, 0.735)], 0.024, DARK)
    canvas.tube([(0.555, 0.6), (0.6, 0.68), (0.545, 0.745), (0.4, 0.755)], 0.026, SILVER)
    canvas.tube([(0.42, 0.755), (0.2, 0.735)], 0.046, (96, 98, 102))
    _bodywork(canvas, colour)
    _fork(canvas, colour, head, front)
    if faired:
        _fairing(canvas, colour)
    else:
        _headlight(canvas, head)
    _handlebar(canvas, head, (0.5, 0.27) if chopper else (0.56, 0.325))


def _around(centre: Point, offsets: Sequence[Point]) -> list[Point]:
    return [(centre[0] + x, centre[1] + y) for x, y in offsets]


def _fork(canvas: Canvas, colour: Colour, head: Point, front: Point) -> None:
    """The two parts of a telescopic fork, and the mudguard over the wheel."""
    middle = ((head[0] + front[0]) / 2, (head[1] + front[1]) / 2)
    canvas.tube([head, front], 0.03, SILVER)
    canvas.tube([middle, front], 0.042, (112, 114, 120))
    outer = curve((-0.15, -0.055), (-0.02, -0.215), (0.12, -0.11))
    inner = curve((0.11, -0.095), (-0.01, -0.18), (-0.135, -0.05))
    canvas.shaded(_around(front, [*outer, *inner]), colour, darker(colour, 0.6))
    canvas.disc(front, 0.02, (58, 60, 64))


def _headlight(canvas: Canvas, head: Point) -> None:
    canvas.ball((head[0] + 0.06, 0.4), 0.05, SILVER)
    glass = [(0.075, 0.352), (0.1, 0.36), (0.108, 0.4), (0.098, 0.44), (0.075, 0.448)]
    canvas.shaded(_around((head[0], 0), glass), (252, 250, 238), (196, 200, 206))
    canvas.disc((head[0] - 0.005, 0.345), 0.024, DARK)


def _handlebar(canvas: Canvas, head: Point, grip: Point) -> None:
    """Bar, grip and mirror."""
    canvas.tube([head, (head[0] - 0.025, grip[1] - 0.01), (grip[0] + 0.04, grip[1] - 0.005)], 0.016, SILVER)
    canvas.line([(grip[0] + 0.05, grip[1] - 0.005), grip], 0.026, BLACK)
    canvas.line([(head[0] - 0.03, grip[1]), (head[0] - 0.05, grip[1] - 0.075)], 0.008, BLACK)
    mirror = [(-0.085, -0.1), (-0.02, -0.1), (-0.03, -0.06), (-0.075, -0.06)]
    canvas.shaded(_around((head[0], grip[1]), mirror), (70, 72, 76), BLACK)


def _road_wheel(canvas: Canvas, hub: Point, radius: float) -> None:
    rim = circle(hub, radius * 0.72)
    for step in range(0, len(rim), 4):
        canvas.line([hub, rim[step]], 0.0035, (126, 128, 134))
    canvas.ring(hub, radius * 0.72, 0.014, (150, 152, 158))
    canvas.ring(hub, radius * 0.88, 0.052, (26, 26, 28))
    canvas.ring(hub, radius * 0.98, 0.006, (58, 58, 60))
    canvas.ring(hub, radius * 0.36, 0.03, (136, 138, 144))
    canvas.ring(hub, radius * 0.36, 0.006, (80, 82, 88))
    canvas.disc(hub, radius * 0.2, (72, 74, 78))


def _engine(canvas: Canvas) -> None:
    """Two cylinders in a V above the crankcase."""
    block = [(0.34, 0.5), (0.63, 0.47), (0.635, 0.68), (0.58, 0.735), (0.38, 0.74), (0.33, 0.64)]
    canvas.shaded(block, DARK, (20, 20, 22))
    for lean, foot in ((-0.05, 0.44), (0.05, 0.545)):
        for fin in range(9):
            x, y = foot + lean * (8 - fin) / 8, 0.49 + 0.0145 * fin
            canvas.line([(x - 0.044, y), (x + 0.044, y)], 0.0075, (172, 174, 180) if fin else SILVER)
    crankcase = [(0.375, 0.62), (0.61, 0.615), (0.615, 0.68), (0.57, 0.725), (0.4, 0.725)]
    canvas.shaded(crankcase, (128, 130, 136), (52, 54, 58))
    canvas.ball((0.445, 0.665), 0.056, (150, 152, 158))
    canvas.disc((0.445, 0.665), 0.03, (98, 100, 106))
    canvas.ball((0.56, 0.66), 0.042, (140, 142, 148))


def _bodywork(canvas: Canvas, colour: Colour) -> None:
    tank = curve((0.445, 0.46), (0.455, 0.355), (0.57, 0.352)) + curve((0.57, 0.352), (0.655, 0.36), (0.66, 0.42))
    canvas.shaded([*tank, (0.6, 0.475), (0.46, 0.48)], lighter(colour, 0.25), darker(colour, 0.45))
    canvas.line(curve((0.49, 0.395), (0.52, 0.372), (0.58, 0.372)), 0.01, lighter(colour, 0.75))
    seat = curve((0.46, 0.455), (0.37, 0.475), (0.31, 0.42)) + curve((0.31, 0.42), (0.24, 0.385), (0.15, 0.4))
    canvas.shaded([*seat, (0.14, 0.425), (0.26, 0.465), (0.34, 0.505), (0.45, 0.495)], (58, 55, 54), BLACK)
    tail = [*curve((0.06, 0.535), (0.09, 0.43), (0.26, 0.462)), (0.34, 0.5), (0.33, 0.535), (0.24, 0.52)]
    mudguard = [*tail, *curve((0.2, 0.505), (0.12, 0.5), (0.085, 0.55))]
    canvas.shaded(mudguard, colour, darker(colour, 0.5))
    side_cover = [(0.335, 0.5), (0.43, 0.49), (0.41, 0.575), (0.355, 0.575)]
    canvas.shaded(side_cover, lighter(colour, 0.1), darker(colour, 0.5))
    canvas.disc((0.07, 0.5), 0.018, (200, 30, 26))


def _fairing(canvas: Canvas, colour: Colour) -> None:
    nose = [*curve((0.6, 0.43), (0.64, 0.32), (0.765, 0.4)), (0.775, 0.44), (0.715, 0.52), (0.67, 0.68)]
    belly = [(0.6, 0.74), (0.44, 0.745), (0.47, 0.66), (0.59, 0.56)]
    canvas.shaded([*nose, *belly], lighter(colour, 0.25), darker(colour, 0.5))
    canvas.polygon([(0.64, 0.37), (0.665, 0.29), (0.76, 0.395)], (128, 148, 160))
    canvas.line([(0.5, 0.7), (0.655, 0.58), (0.73, 0.45)], 0.02, WHITE)
    canvas.shaded([(0.735, 0.405), (0.77, 0.405), (0.775, 0.435), (0.745, 0.44)], (252, 250, 238), (196, 200, 206))


# ---- the set -----------------------------------------------------------------------------------------------------

_Background = Callable[[Canvas], None]


def _scene(background: _Background, pose: Pose) -> Canvas:
    canvas = Canvas()
    background(canvas)
    canvas.pose = pose
    return canvas


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _bicycles() -> list[Sample]:
    scenes: list[tuple[str, _Background, Pose, Colour, bool, bool]] = [
        ("red bicycle.jpg", _studio, Pose(1.05, down=-0.03), RED, False, False),
        ("blue bicycle.jpg", _studio, Pose(1.0, down=-0.02, mirrored=True), BLUE, True, False),
        ("wall bicycle.jpg", _wall, Pose(0.98, down=0.04), BLACK, False, False),
        (
            "meadow bicycle.jpg",
            _meadow,
            Pose(0.95, down=0.06, mirrored=True, tilt_degrees=-2),
            GREEN,
            False,
            False,
        ),
        ("beach bicycle.png", _beach, Pose(0.9, down=0.05, tilt_degrees=2), ORANGE, True, False),
        ("street bicycle.jpg", _street, Pose(0.95, down=0.06), BLUE, False, True),
    ]
    samples = []
    for seed, (name, background, pose, colour, drop_bar, basket) in enumerate(scenes, start=100):
        canvas = _scene(background, pose)
        bicycle(canvas, colour, drop_bar=drop_bar, basket=basket)
        samples.append(_picture(name, canvas.photo(seed), Outcome.CLASSIFIED, "bicycle"))
    return samples


def _motorcycles() -> list[Sample]:
    scenes: list[tuple[str, _Background, Pose, Colour, bool, bool]] = [
        ("red motorcycle.jpg", _street, Pose(0.9, down=0.05), RED, False, False),
        ("black motorcycle.jpg", _street, Pose(0.92, down=0.05, mirrored=True), BLACK, True, False),
        ("wall motorcycle.jpg", _wall, Pose(0.92, down=0.05), BLUE, True, False),
        ("beach motorcycle.jpg", _beach, Pose(0.88, down=0.04, mirrored=True), ORANGE, False, False),
        ("dusk motorcycle.png", _dusk, Pose(0.9, down=0.04), ORANGE, False, True),
        ("meadow motorcycle.jpg", _meadow, Pose(0.88, down=0.04, tilt_degrees=-2, mirrored=True), BLUE, False, False),
    ]
    samples = []
    for seed, (name, background, pose, colour, faired, chopper) in enumerate(scenes, start=200):
        canvas = _scene(background, pose)
        motorcycle(canvas, colour, faired=faired, chopper=chopper)
        samples.append(_picture(name, canvas.photo(seed), Outcome.CLASSIFIED, "motorcycle"))
    return samples


# What can be drawn, by its label.
_VEHICLES: Final = {"bicycle": _bicycles, "motorcycle": _motorcycles}


def _others() -> list[Sample]:
    drawings: list[tuple[str, _Background, Callable[[Canvas], None]]] = [
        ("house.jpg", _meadow, _house),
        ("tree.jpg", _meadow, _tree),
        ("cat.jpg", _dusk, _cat),
        ("empty beach.jpg", _beach, lambda canvas: None),
        ("apple.png", _studio, _apple),
    ]
    samples = []
    for seed, (name, background, drawing) in enumerate(drawings, start=300):
        canvas = _scene(background, Pose())
        drawing(canvas)
        samples.append(_picture(name, canvas.photo(seed), Outcome.NEEDS_REVIEW, None))
    return samples


def _picture(name: str, picture: Image.Image, outcome: Outcome, label: str | None) -> Sample:
    return Sample(name, _png(picture) if name.endswith(".png") else _jpeg(picture), outcome, label)


def _house(canvas: Canvas) -> None:
    canvas.shadow((0.5, 0.83), 0.8, 0.08, 0.5)
    canvas.shaded([(0.2, 0.4), (0.8, 0.4), (0.8, 0.82), (0.2, 0.82)], (232, 222, 200), (196, 182, 156))
    canvas.shaded([(0.12, 0.42), (0.5, 0.12), (0.88, 0.42)], (170, 74, 54), (112, 46, 36))
    for left in (0.27, 0.61):
        canvas.polygon([(left, 0.5), (left + 0.13, 0.5), (left + 0.13, 0.64), (left, 0.64)], (92, 124, 148))
    canvas.shaded([(0.44, 0.58), (0.56, 0.58), (0.56, 0.82), (0.44, 0.82)], (112, 72, 44), (70, 44, 28))


def _tree(canvas: Canvas) -> None:
    canvas.shadow((0.5, 0.88), 0.6, 0.07, 0.5)
    canvas.shaded([(0.46, 0.5), (0.54, 0.5), (0.57, 0.88), (0.43, 0.88)], (116, 86, 58), (70, 50, 34))
    for x, y, radius in ((0.35, 0.42, 0.17), (0.64, 0.42, 0.17), (0.5, 0.28, 0.2), (0.5, 0.48, 0.18)):
        canvas.ball((x, y), radius, (64, 118, 52))


def _cat(canvas: Canvas) -> None:
    fur = (206, 138, 70)
    canvas.shaded([(0.2, 1.0), (0.26, 0.72), (0.74, 0.72), (0.8, 1.0)], fur, darker(fur, 0.6))
    for ear in ([(0.22, 0.42), (0.24, 0.1), (0.45, 0.27)], [(0.78, 0.42), (0.76, 0.1), (0.55, 0.27)]):
        canvas.shaded(ear, fur, darker(fur, 0.7))
    canvas.ball((0.5, 0.5), 0.31, fur)
    for x in (0.38, 0.62):
        canvas.disc((x, 0.45), 0.058, (190, 206, 96))
        canvas.disc((x, 0.45), 0.026, BLACK)
    canvas.polygon([(0.46, 0.57), (0.54, 0.57), (0.5, 0.615)], (214, 120, 120))
    for side in (-1, 1):
        for drop in (0.0, 0.04):
            canvas.line([(0.5 + 0.08 * side, 0.62), (0.5 + 0.36 * side, 0.6 + drop)], 0.004, WHITE)


def _apple(canvas: Canvas) -> None:
    canvas.shadow((0.5, 0.8), 0.5, 0.06, 0.4)
    canvas.ball((0.43, 0.55), 0.23, (200, 36, 36))
    canvas.ball((0.57, 0.55), 0.23, (196, 34, 34))
    canvas.line([(0.5, 0.36), (0.53, 0.22)], 0.02, (84, 58, 34))
    canvas.shaded([*curve((0.52, 0.3), (0.6, 0.17), (0.72, 0.22)), (0.62, 0.3)], (110, 170, 60), (60, 110, 36))


def _broken() -> list[Sample]:
    whole = _jpeg(_scene(_meadow, Pose()).photo(1))
    return [
        Sample("cut short.jpg", whole[: len(whole) // 2], Outcome.REJECTED),
        Sample("text.png", b"This is no picture, whatever its name says.\n", Outcome.REJECTED),
        Sample("empty.jpg", b"", Outcome.REJECTED),
        Sample("bomb.png", _bomb(), Outcome.REJECTED),
    ]


def _bomb() -> bytes:
    """A PNG of a few bytes whose header promises 900 million pixels."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(64))), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
