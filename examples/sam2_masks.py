"""Segment images with SAM2, asked about what `steelcli predict` found; needs steelcli[sam2].

steelcli predict IMAGES --out found
python examples/sam2_masks.py IMAGES --prompts boxes --found found --out sam2
steelcli evaluate --predictions sam2/masks --name sam2

SAM2 offers several masks for a prompt; the one with the highest predicted IoU is taken. An image's
mask is the union over its prompts, and empty where there are none.
"""

import argparse
import json
import sys
from contextlib import nullcontext
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
import torch

from steelcli.commands.predict_files import list_images
from steelcli.common.errors import DataError, ModelError, RunError, UserError, quote
from steelcli.common.outputs import staged_file, write_json
from steelcli.common.problems import REFUSE
from steelcli.common.progress import say, track
from steelcli.data.images.decode import read_bytes, read_image
from steelcli.data.images.level_png import load_mask, save_mask
from steelcli.model.hub import cache_only, hub_answers
from steelcli.model.smp_import import import_smp

Pixels, Prompts = np.ndarray, list[list[float]]
PROMPTS_AT_ONCE = 32  # each needs a map of the image's size in memory


def find_prompts(mask: Pixels, kind: str) -> Prompts:
    """Return a prompt for each 8-connected component of a mask, bool [H, W].

    A box is x and y of the first pixel and of the last; a point is the pixel deepest inside.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    prompts: Prompts = []
    for number in range(1, count):
        x, y, width, height = stats[number, :4].tolist()
        own = labels[y : y + height, x : x + width] == number
        depth = cv2.distanceTransform(np.pad(own, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
        row, column = divmod(int(depth.argmax()), width)
        is_box = kind == "boxes"
        prompts.append([x, y, x + width - 1, y + height - 1] if is_box else [x + column, y + row])
    return prompts


def make_grid(height: int, width: int, side: int) -> Prompts:
    """Return side × side points, evenly spread over the image."""
    steps = ((np.arange(side) + 0.5) / side).tolist()
    return [[x * width, y * height] for y in steps for x in steps]


def load_sam2(name: str) -> tuple[Any, Any]:
    """Return processor and model from a folder or from the hub, on the GPU where there is one."""
    import_smp()  # lets torchvision be imported beside a torch of another build
    try:
        from safetensors import SafetensorError
        from transformers import Sam2Model, Sam2Processor
    except ImportError as error:
        raise ModelError("not installed", "transformers", "pip install 'steelcli[sam2]'") from error
    try:
        with nullcontext() if Path(name).is_dir() or hub_answers() else cache_only():
            processor = Sam2Processor.from_pretrained(name)
            model, about = Sam2Model.from_pretrained(name, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        what = f"no SAM2 can be loaded ({quote(error, 120)})"
        remedy = "fetch it with `hf download` where there is a network, and give --model its folder"
        raise ModelError(what, name, remedy) from error
    if about["missing_keys"]:
        raise ModelError("the weights are not those of a SAM2", name, "give another --model")
    return processor, model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


@torch.inference_mode()
def segment(
    processor: Any, model: Any, image: Pixels, prompts: Prompts, min_iou: float, max_share: float
) -> Pixels:
    """Return the union of the masks, bool [H, W], of an image uint8 [H, W, 3].

    Masks of a lower predicted IoU, or of a larger share of the image, are dropped.
    """
    size = list(image.shape[:2])
    union = np.zeros(size, bool)
    if not prompts:
        return union
    seen = processor(images=image, return_tensors="pt").to(model.device)
    embeddings = model.get_image_embeddings(seen["pixel_values"])
    for start in range(0, len(prompts), PROMPTS_AT_ONCE):
        part = prompts[start : start + PROMPTS_AT_ONCE]
        asked = {"input_boxes": [part]}
        if len(part[0]) == 2:  # one point a mask, and 1 says that it lies inside
            points = [[[point] for point in part]]
            asked = {"input_points": points, "input_labels": [[[1] for _ in part]]}
        inputs = processor(original_sizes=[size], return_tensors="pt", **asked).to(model.device)
        del inputs["original_sizes"]
        out = model(image_embeddings=embeddings, **inputs)
        ious, best = out.iou_scores[0].max(dim=1)
        chosen = torch.take_along_dim(out.pred_masks[0], best[:, None, None, None], dim=1)
        masks = processor.post_process_masks([chosen], [size])[0][:, 0]
        is_kept = (ious >= min_iou) & (masks.float().mean(dim=(1, 2)) <= max_share)
        union |= masks[is_kept].any(dim=0).cpu().numpy()
    return union


def run(args: argparse.Namespace) -> None:
    """Write OUT/masks, and what made them to OUT/made_by.json; finished images are skipped."""
    images = list_images([args.images], args.out, REFUSE)
    if not images:
        raise DataError("no images found", args.images, "give a folder with images")
    files = {name: PurePosixPath("masks", name).with_suffix(".png") for name in images}
    made_by = {key: value for key, value in vars(args).items() if key not in ("images", "out")}
    made_by["found"] = None
    if args.prompts != "grid":
        summary_path = args.found / "summary.json"
        made_by["found"] = json.loads(read_bytes(summary_path)).get("made_by")
        if made_by["found"] is None:
            remedy = "give --found the folder that `steelcli predict` wrote"
            raise DataError("it does not say what made it", summary_path, remedy)
        missing = [name for name in images if not (args.found / files[name]).is_file()]
        if missing:
            remedy = "give `steelcli predict` the same images"
            raise DataError(f"{len(missing)} images have no predicted mask", missing[0], remedy)
    record = args.out / "made_by.json"
    if record.exists() and json.loads(read_bytes(record)) != made_by:
        raise RunError("made with other settings or predictions", args.out, "name another --out")
    sam2 = load_sam2(args.model)
    write_json(record, made_by)
    left = [name for name in images if not (args.out / files[name]).exists()]
    for name in track(left, "sam2", len(left)):
        image = read_image(images[name], "rgb")
        if args.prompts == "grid":
            prompts = make_grid(*image.shape[:2], args.side)
        else:
            prompts = find_prompts(load_mask(args.found / files[name]), args.prompts)
        mask = segment(*sam2, image, prompts, args.min_iou, args.max_share)
        with staged_file(args.out / files[name]) as path:
            save_mask(path, mask)
    say(f"{len(images)} masks, {len(left)} of them new: {args.out / 'masks'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Segment images with SAM2.")
    parser.add_argument("images", help="a folder, or what else `steelcli predict` takes")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--model", default="facebook/sam2.1-hiera-large", help="name or folder")
    parser.add_argument("--prompts", choices=["boxes", "points", "grid"], default="boxes")
    parser.add_argument("--found", type=Path, default="found", help="what `predict` wrote")
    parser.add_argument("--side", type=int, default=32, help="points a side of the grid")
    parser.add_argument("--min-iou", type=float, default=0.0, help="drop masks of less")
    parser.add_argument("--max-share", type=float, default=1.0, help="drop larger masks")
    try:
        run(parser.parse_args())
    except UserError as error:
        sys.exit(f"Error: {error}")
