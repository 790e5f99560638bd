"""A case's raw samples in run order, warm-up shaded: what the numbers were made from."""

import altair as alt
import numpy as np

from aggregator.analysis import CaseResult
from aggregator.charts import GREY, WIDTH, Palette, Row, draw
from aggregator.model import Figure
from aggregator.words import clean
from runners.harness.record import Record

POINTS = 50
"""Points drawn of one replicate at most; in each bucket the lowest and the highest sample are kept."""


def samples_figure(result: CaseResult, name: str, title: str, palette: Palette) -> Figure | None:
    """The steps of every replicate, one after the other as they ran; None where the case has no steps."""
    drawn = sorted(
        (
            (record, side.label)
            for side in result.sides
            for record in side.ok.values()
            if record.samples and record.samples.step_ns
        ),
        key=lambda entry: (entry[0].block.sequence, entry[0].record_id),
    )
    if not drawn:
        return None
    points = [point for slot, (record, label) in enumerate(drawn) for point in _points(slot, record, label)]
    shades = [shade for slot, (record, _) in enumerate(drawn) if (shade := _shade(slot, record))]
    x = alt.X(
        "x:Q",
        title="replicates in run order",
        axis=alt.Axis(labels=False, ticks=False, grid=False),
        scale=alt.Scale(nice=False),
    )
    warmup = alt.Chart(alt.NamedData("shades")).mark_rect(color=GREY, opacity=0.25).encode(x=x, x2="x2:Q")
    lines = (
        alt.Chart(alt.NamedData("points"))
        .mark_line(strokeWidth=1)
        .encode(
            x=x,
            y=alt.Y("y:Q", title="ms a step (log scale)", scale=alt.Scale(type="log", nice=False, padding=6)),
            detail="slot:N",
            color=palette.colour(points),
            strokeDash=palette.dash(points),
        )
    )
    svg = draw(alt.layer(warmup, lines).properties(width=WIDTH, height=130), points=points, shades=shades)
    caption = (
        "Every replicate's steps in run order, warm-up shaded; each bucket of steps is drawn by its lowest and highest."
    )
    return Figure(f"samples-{name}", f"Raw samples: {title}", caption, svg)


def _points(slot: int, record: Record, label: str) -> list[Row]:
    steps = np.asarray(record.samples.step_ns if record.samples else [], dtype=float) / 1e6
    chosen = np.arange(len(steps))
    if len(steps) > POINTS:
        buckets = np.array_split(chosen, POINTS // 2)
        ends = [(bucket[np.argmin(steps[bucket])], bucket[np.argmax(steps[bucket])]) for bucket in buckets]
        chosen = np.array([index for pair in ends for index in sorted(pair)])
    return [
        {
            "slot": slot,
            "competitor": clean(label, 60),
            "x": round(slot + 0.9 * index / len(steps), 4),
            "y": float(f"{steps[index]:.4g}"),
        }
        for index in chosen.tolist()
    ]


def _shade(slot: int, record: Record) -> Row | None:
    samples = record.samples
    if samples is None or not samples.warmup_steps:
        return None
    return {"x": slot, "x2": round(slot + 0.9 * samples.warmup_steps / len(samples.step_ns), 4)}
