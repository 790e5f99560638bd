"""What the networks saw: some training images of each competitor as they were delivered, the same for all."""

import base64
import io
from collections.abc import Sequence

from PIL import Image

from aggregator.base.quantities import count
from aggregator.base.text import clean
from aggregator.judge.analysis import CaseResult
from aggregator.judge.cases import grouped, natural
from aggregator.judge.sides import Side
from aggregator.report.figures.style import Palette
from aggregator.report.model import Shown, ShownImages, ShownSide
from runners.harness.case import Case
from runners.harness.record import DeliveredImages

MOST_BYTES = 300_000
"""Of all images of a report, which has 2 MB."""
PLAIN = "without augmentation"
HOW = {"none": "not flipped", "left-right": "flipped left to right", "upside-down": "flipped upside down"}
BOTH = "flipped both ways"


def shown_images(cases: Sequence[CaseResult], palette: Palette, parts: int = 1) -> Shown | None:
    """The images of these cases of `fit`, once for all cases whose images are prepared alike; None without any."""
    told, left, size = [], 0, 0
    for members in grouped(sorted(cases, key=natural), _preparation).values():
        sides = _sides(members, palette)
        weight = sum(len(image) for side in sides for image, _ in side.images)
        if sides and size + weight <= MOST_BYTES // parts:
            told.append(ShownImages(_title(members[0].case), tuple(sides)))
            size += weight
        else:
            left += bool(sides)
    if not told:
        return None
    caption = (
        "Training images as each network gets them: resized, scaled and, in cases with augmentation, flipped at random "
        "in both directions. Every competitor shows the same images of the data set. Only their flips may differ, "
        "because each framework draws its own. Every process compared up to 128 images with the reference decoder: "
        "each has to be one of the four flips of its reference, and without augmentation the reference itself. The "
        "images were read after the timed training, by a loader with the same settings. Large images are shown smaller."
    )
    further = f"Not shown, for their size: {count(left, 'further way')} of preparing images." if left else ""
    return Shown(caption, tuple(told), further)


def _preparation(case: Case) -> tuple[object, ...]:
    return case.dataset, case.input_size, case.augment


def _title(case: Case) -> str:
    data = f"{clean(case.dataset.id, 40)}, " if case.dataset else ""
    return f"{data}{case.input_size} px, {'with augmentation' if case.augment else PLAIN}"


def _sides(members: Sequence[CaseResult], palette: Palette) -> list[ShownSide]:
    """Each competitor with the images of its first replicate that has any."""
    found: dict[str, ShownSide] = {}
    for side in (side for case in members for side in case.sides):
        images = _first(side)
        if side.name not in found and images:
            found[side.name] = ShownSide(side.name, palette.number(side.name), _drawn(images))
    return list(found.values())


def _first(side: Side) -> DeliveredImages | None:
    return next((record.check.images for record in side.ok.values() if record.check and record.check.images), None)


def _drawn(images: DeliveredImages) -> tuple[tuple[str, str], ...]:
    """Each image as the address of a PNG, and what it is in words."""
    size, pixels = 3 * images.side**2, images.pixels
    drawn = []
    for number, (position, flip) in enumerate(zip(images.positions, images.flips, strict=True)):
        png = io.BytesIO()
        Image.frombytes("RGB", (images.side,) * 2, pixels[number * size :][:size]).save(png, "PNG")
        address = f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
        drawn.append((address, f"training image {position}, {HOW.get(flip, BOTH)}"))
    return tuple(drawn)
