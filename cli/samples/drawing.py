"""A canvas that makes drawings look a little like photos: smooth edges, shading, soft shadows, grain.

Coordinates lie in a square from (0, 0) at the top left to (1, 1); everything is seeded, so the same
call gives the same picture.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Point = tuple[float, float]

SIDE_PIXELS: Final = 384
SUPERSAMPLING: Final = 3
_CIRCLE_STEPS: Final = 96


@dataclass(frozen=True)
class Pose:
    """How a thing stands in the picture: moved, scaled, tilted about its middle, and perhaps looking left."""

    scale: float = 1.0
    right: float = 0.0
    down: float = 0.0
    tilt_degrees: float = 0.0
    mirrored: bool = False
    narrowed: float = 1.0

    def place(self, point: Point) -> Point:
        """Where a point of the thing comes to lie."""
        x, y = (point[0] - 0.5) * self.scale * self.narrowed, (point[1] - 0.5) * self.scale
        if self.mirrored:
            x = -x
        turn = math.radians(self.tilt_degrees)
        cosine, sine = math.cos(turn), math.sin(turn)
        return 0.5 + x * cosine - y * sine + self.right, 0.5 + x * sine + y * cosine + self.down


class Canvas:
    """A square picture to draw on."""

    def __init__(self, pose: Pose = Pose()) -> None:
        self._size = SIDE_PIXELS * SUPERSAMPLING
        self._image = Image.new("RGB", (self._size, self._size))
        self.pose = pose

    def gradient(self, top: float, bottom: float, above: Colour, below: Colour) -> None:
        """Fill the picture's whole width between two heights, from one colour to the other."""
        first, last = round(top * self._size), round(bottom * self._size)
        self._image.paste(_gradient((self._size, last - first), above, below), (0, first))

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        """A filled shape."""
        ImageDraw.Draw(self._image).polygon(self._pixels(points), colour)

    def shaded(self, points: Sequence[Point], light: Colour, dark: Colour) -> None:
        """A filled shape, light at its top and dark at its bottom, as under the sky."""
        pixels = self._pixels(points)
        left, top = (math.floor(min(axis)) for axis in zip(*pixels, strict=True))
        right, bottom = (math.ceil(max(axis)) + 1 for axis in zip(*pixels, strict=True))
        size = (right - left, bottom - top)
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in pixels], 255)
        self._image.paste(_gradient(size, light, dark), (left, top), mask)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """A line with round ends and corners."""
        pixels, pixel_width = self._pixels(points), max(1, round(width * self.pose.scale * self._size))
        draw = ImageDraw.Draw(self._image)
        draw.line(pixels, colour, pixel_width, joint="curve")
        radius = pixel_width / 2
        for x, y in pixels:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)

    def tube(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """A round tube: dark below, with a glint above."""
        self.line(points, width, darker(colour, 0.6))
        self.line([(x - width * 0.1, y - width * 0.12) for x, y in points], width * 0.7, colour)
        self.line([(x - width * 0.2, y - width * 0.25) for x, y in points], width * 0.2, lighter(colour, 0.5))

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        """A filled circle."""
        self.polygon(circle(centre, radius), colour)

    def ball(self, centre: Point, radius: float, colour: Colour) -> None:
        """A circle that is light at its top."""
        self.shaded(circle(centre, radius), lighter(colour, 0.35), darker(colour, 0.55))

    def ring(self, centre: Point, radius: float, width: float, colour: Colour) -> None:
        """A circle's outline, so that the radius runs in its middle."""
        points = circle(centre, radius)
        self.line([*points, points[0]], width, colour)

    def shadow(self, centre: Point, width: float, height: float, strength: float) -> None:
        """A soft dark patch on the ground."""
        patch = [(centre[0] + x * width / 2, centre[1] + y * height / 2) for x, y in circle((0, 0), 1)]
        mask = Image.new("L", (SIDE_PIXELS, SIDE_PIXELS))
        corners = [(x / SUPERSAMPLING, y / SUPERSAMPLING) for x, y in self._pixels(patch)]
        ImageDraw.Draw(mask).polygon(corners, round(255 * strength))
        mask = mask.filter(ImageFilter.GaussianBlur(SIDE_PIXELS * 0.01)).resize(self._image.size)
        self._image.paste((18, 18, 22), (0, 0), mask)

    def blur(self, radius: float) -> None:
        """Put everything drawn so far out of focus."""
        # What is out of focus needs no supersampling.
        small = self._image.reduce(SUPERSAMPLING).filter(ImageFilter.GaussianBlur(radius * SIDE_PIXELS))
        self._image = small.resize(self._image.size, Image.Resampling.BILINEAR)

    def speckle(self, area: tuple[float, float], colours: Sequence[Colour], count: int, size: float, seed: int) -> None:
        """Strew patches over the picture between two heights: leaves, gravel."""
        chance, draw = random.Random(seed), ImageDraw.Draw(self._image)  # noqa: S311
        for _ in range(count):
            x, y = chance.random(), area[0] + chance.random() * (area[1] - area[0])
            radius = size * (0.4 + chance.random())
            box = [(x - radius) * self._size, (y - radius * 0.7) * self._size]
            draw.ellipse(
                (*box, box[0] + 2 * radius * self._size, box[1] + 1.4 * radius * self._size), chance.choice(colours)
            )

    def photo(self, seed: int, grain: int = 5) -> Image.Image:
        """The finished picture at its final size, soft and grainy like a phone camera's."""
        small = self._image.reduce(SUPERSAMPLING)
        # A network that learnt from photos takes hard edges for a drawing of something else.
        small = small.filter(ImageFilter.GaussianBlur(2.3))
        chance = random.Random(seed)  # noqa: S311 - the same picture every time is the point
        noise = Image.frombytes("L", small.size, chance.randbytes(SIDE_PIXELS * SIDE_PIXELS))
        noise = noise.filter(ImageFilter.GaussianBlur(0.7)).point(
            [round(128 + (level - 128) * grain / 40) for level in range(256)]
        )
        return ImageChops.add(small, Image.merge("RGB", (noise, noise, noise)), 1, -128)

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self._size, y * self._size) for x, y in map(self.pose.place, points)]


def _gradient(size: tuple[int, int], above: Colour, below: Colour) -> Image.Image:
    strip = Image.new("RGB", (1, 2))
    strip.putdata([above, below])
    return strip.resize((1, size[1]), Image.Resampling.BILINEAR).resize(size, Image.Resampling.NEAREST)


def circle(centre: Point, radius: float) -> list[Point]:
    """The corners of a circle that looks round."""
    steps = (2 * math.pi * step / _CIRCLE_STEPS for step in range(_CIRCLE_STEPS))
    return [(centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)) for angle in steps]


def curve(start: Point, bend: Point, end: Point) -> list[Point]:
    """Points of a curve that leaves towards the bend and arrives from it."""
    steps = [step / 16 for step in range(17)]
    return [
        (
            (1 - t) ** 2 * start[0] + 2 * t * (1 - t) * bend[0] + t**2 * end[0],
            (1 - t) ** 2 * start[1] + 2 * t * (1 - t) * bend[1] + t**2 * end[1],
        )
        for t in steps
    ]


def darker(colour: Colour, share: float) -> Colour:
    """The colour in the shade; a share of 1 leaves it."""
    red, green, blue = (round(level * share) for level in colour)
    return red, green, blue


def lighter(colour: Colour, share: float) -> Colour:
    """The colour mixed with so much white."""
    red, green, blue = (round(level + (255 - level) * share) for level in colour)
    return red, green, blue
