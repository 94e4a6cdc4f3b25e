"""Draws plots: run by `tests.bench.report` in an environment that has matplotlib. `-m tests.bench.plots DIRECTORY`."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")
mpl.rcParams["svg.hashsalt"] = "dreamland"  # the same figures, the same file
mpl.rcParams["svg.fonttype"] = "none"
import matplotlib.pyplot as plt  # noqa: E402

OURS, FLOOR = "#3949ab", "#9e9e9e"


def draw(given: dict[str, Any], directory: Path) -> None:
    """One figure against its size; two bars where there is but one size."""
    picture, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    places = list(range(len(given["sizes"])))
    for shift, name, colour in ((-0.2, "ours", OURS), (0.2, "floor", FLOOR)):
        axes.bar([place + shift for place in places], given[name], width=0.38, color=colour, label=name)
    axes.set_xticks(places, [f"{size:,}" for size in given["sizes"]])
    axes.set_xlabel(given["size_unit"])
    axes.set_ylabel(given["unit"])
    axes.set_title(given["title"], fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.25)  # room for the legend
    axes.legend(frameon=False, loc="upper right", ncols=2)
    picture.savefig(directory / f"{given['file']}.png", dpi=80, metadata={"Software": None})
    picture.savefig(directory / f"{given['file']}.svg", metadata={"Date": None})
    plt.close(picture)


if __name__ == "__main__":
    for each in json.load(sys.stdin):
        draw(each, Path(sys.argv[1]))
