"""What ``steelcli predict`` says of all images of a folder, written image by image."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from typing import Any

from steelcli.commands.predict_folder import OutFolder
from steelcli.common.csv_cells import protect
from steelcli.common.outputs import staged_file

SUMMARY_JSON, SUMMARY_CSV = "summary.json", "summary.csv"
COLUMNS = ("image", "verdict", "score", "components", "defect_pixels", "height", "width")
"""Columns of ``summary.csv``."""
_IMAGE_KEYS = ("image", "verdict", "score", "height", "width", "components")
_COMPONENT_KEYS = ("box", "area_px", "length_px", "width_px", "mean_probability")


def write_summary(folder: OutFolder, made_by: Mapping[str, Any]) -> dict[str, int]:
    """Write ``summary.csv`` and ``summary.json``; return ``images`` and ``defect_images``."""
    counts = {"images": 0, "defect_images": 0}
    with (
        staged_file(folder.folder / SUMMARY_CSV) as csv_path,
        staged_file(folder.folder / SUMMARY_JSON) as json_path,
        csv_path.open("w", encoding="utf-8", newline="") as csv_file,
        json_path.open("w", encoding="utf-8", newline="\n") as json_file,
    ):
        writer = csv.DictWriter(csv_file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        json_file.write(f'{{"made_by": {json.dumps(made_by)},\n"images": [')
        for row in folder.iter_rows():
            writer.writerow(_to_cells(row))
            json_file.write(",\n" if counts["images"] else "\n")
            json_file.write(json.dumps(_choose(row, made_by["mm_per_pixel"])))
            counts["images"] += 1
            counts["defect_images"] += row["verdict"] == "defect"
        json_file.write("\n]}\n")
    return counts


def describe_counts(counts: Mapping[str, int]) -> str:
    """Return what `write_summary` returned in words."""
    return f"{counts['images']} images, {counts['defect_images']} with a defect"


def _to_cells(row: Mapping[str, Any]) -> dict[str, Any]:
    components = row["components"]
    return {
        **{name: row[name] for name in ("verdict", "score", "height", "width")},
        "image": protect(row["image"]),
        "components": len(components),
        "defect_pixels": sum(component["area_px"] for component in components),
    }


def _choose(row: Mapping[str, Any], mm_per_pixel: float | None) -> dict[str, Any]:
    """Return what of a row people read, with millimetres where a pixel's are known."""
    chosen = {key: row[key] for key in _IMAGE_KEYS}
    chosen["components"] = []
    for component in row["components"]:
        values = {key: component[key] for key in _COMPONENT_KEYS}
        if mm_per_pixel is not None:
            values["length_mm"] = round(values["length_px"] * mm_per_pixel, 6)
            values["width_mm"] = round(values["width_px"] * mm_per_pixel, 6)
            values["area_mm2"] = round(values["area_px"] * mm_per_pixel**2, 6)
        chosen["components"].append(values)
    return chosen
