"""Find defects in one image with an exported network; needs onnxruntime, OpenCV and NumPy alone.

python examples/inspect_onnx.py exports/onnx/model.onnx IMAGE MASK.png
"""

import json
import sys

import cv2
import numpy as np
import onnxruntime


def find_defects(session: onnxruntime.InferenceSession, bgr: np.ndarray) -> np.ndarray:
    """Return the defect mask, bool [H, W], of an image uint8 [H, W, 3] as OpenCV reads it."""
    about = session.get_modelmeta().custom_metadata_map
    is_grey = about["color"] == "grey"
    image = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY if is_grey else cv2.COLOR_BGR2RGB)
    (height, width), (canvas_width, canvas_height) = bgr.shape[:2], json.loads(about["canvas_size"])
    scale = min(canvas_height / height, canvas_width / width)
    inner_height = min(canvas_height, max(1, round(height * scale)))
    inner_width = min(canvas_width, max(1, round(width * scale)))
    top, left = (canvas_height - inner_height) // 2, (canvas_width - inner_width) // 2
    inner = np.s_[top : top + inner_height, left : left + inner_width]
    shrinks = inner_height < height or inner_width < width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    canvas = np.zeros((canvas_height, canvas_width, *image.shape[2:]), np.uint8)
    canvas[inner] = cv2.resize(image, (inner_width, inner_height), interpolation=how)
    batch = canvas[None, None] if is_grey else canvas.transpose(2, 0, 1)[None]
    (probs,) = session.run(["probs"], {"images": np.ascontiguousarray(batch)})
    probs = cv2.resize(np.ascontiguousarray(probs[0, 0][inner]), (width, height))
    probs = np.rint(probs.clip(0, 1) * np.float32(65535)) / np.float32(65535)  # as maps are saved
    mask = probs >= np.float32(json.loads(about["threshold"]))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    is_kept = stats[:, cv2.CC_STAT_AREA] >= json.loads(about["min_area_px"])
    is_kept[0] = False  # the background
    return is_kept[labels]


if __name__ == "__main__":
    model_path, image_path, mask_path = sys.argv[1:]
    pixels = cv2.imread(image_path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        sys.exit(f"Error: no image that OpenCV reads: {image_path}; name another file.")
    found = find_defects(onnxruntime.InferenceSession(model_path), pixels)
    if not cv2.imwrite(mask_path, found.astype(np.uint8) * 255):
        sys.exit(f"Error: cannot write: {mask_path}; free space or mend the permissions.")
    print(f"{'defect' if found.any() else 'clean'} {np.count_nonzero(found)} px")
