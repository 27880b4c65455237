"""What each metric means, in the words of the tables."""

from __future__ import annotations

DATA_MEANINGS = {
    "images_found": "images in the raw data",
    "skipped": "of them left out: listed in data_problems.csv",
    "duplicates_dropped": "left out: same picture in another split",
    "duplicates_within_a_split": "kept: same picture again in its split",
    "scale": "model pixels per pixel of an image's side, median",
    "padding_share": "share of what the network sees that is padding",
    "smallest_defect_model_px": "area of the smallest defect in model pixels",
    "tiny_defect_images": "images with a defect under 3 model pixels",
}
TRAINING_MEANINGS = {
    "epochs": "epochs trained",
    "best_epoch": "epoch of the checkpoint that is tested",
    "best_dice": "best validation Dice, mean over images, at its best threshold",
    "best_iou": "best validation IoU, mean over images, at its best threshold",
    "best_dice_defect": "best validation Dice of images with a defect, at its best threshold",
    "best_f1": "best validation Dice of all pixels together, at its best threshold",
    "train_loss": "training loss in the best epoch",
    "val_loss": "validation loss in the best epoch",
    "parameters": "weights of the network",
    "seconds_per_epoch": "seconds, training and validation, median",
    "train_images_per_second": "images per second in training, median",
}
OBJECTIVE_MEANINGS = {
    "dice": "mean Dice over images",
    "dice_defect": "mean Dice over images with a defect",
    "f1": "Dice of all pixels together",
}
TEST_MEANINGS = {
    "images": "images in the test split",
    "defect_images": "of them with a defect",
    "defects": "their defects, connected components of the truth",
    "threshold": "probability from which a pixel counts as defect; learned on validation images",
    "min_area_px": "predicted components of fewer pixels are removed; learned with the threshold",
    "flip_tta": "1: every map is the mean of those of the image and of its mirror image",
    "auprc": "average precision over all pixels",
    "brier": "mean squared difference of probability and truth over all pixels; 0 is perfect",
    "ece": "mean distance of probability and share of defect pixels, 15 equal bins; 0 is perfect",
    "recall_at_1_fp": (
        "highest share of defects found with at most 1 false component per image, "
        "at whatever threshold"
    ),
    "image_auroc": "chance that an image with a defect scores above a clean one",
    "image_auprc": "average precision of telling images with a defect",
    "iou_prob_50": "mean IoU over images with a defect at probability 0.50",
    "iou_prob_75": "the same at probability 0.75",
    "iou_prob_90": "the same at probability 0.90",
}
GROUP_MEANINGS = {
    "iou": "mean IoU over images; empty in both is 1",
    "dice": "mean Dice over images; empty in both is 1",
    "iou_defect": "mean IoU over images with a defect",
    "dice_defect": "mean Dice over images with a defect",
    "iou_pooled": "IoU of all pixels together",
    "precision": "share of predicted pixels that are defect",
    "recall": "share of defect pixels that are predicted",
    "f1": "Dice of all pixels together",
}
SHARE_MEANINGS = {
    "iou_50": "share of defect images, IoU at least 0.50",
    "iou_75": "share of defect images, IoU at least 0.75",
    "iou_90": "share of defect images, IoU at least 0.90",
    "clean_false_alarm": "share of clean images with a detection",
    "image_recall": "share of defect images with a detection",
    "image_precision": "share of images with a detection that have a defect",
}
SPEED_MEANINGS = {
    "ms_per_image": "milliseconds for the network alone, in all its passes",
    "ms_per_image_end_to_end": "milliseconds from the image file to the mask at native size",
}
EXPORT_MEANINGS = {
    "max_prob_difference": "largest difference of a probability from torch's in fp32",
    "max_score_change": "largest change of a score in metrics/threshold.json, learned anew",
    "max_threshold_change": "likewise of a threshold",
    "max_area_change_px": "likewise of an area",
    "dice_defect": "Dice of images with a defect, at the frozen threshold and area",
    "dice_defect_torch": "likewise of torch in fp32",
    "clean_false_alarm": "share of clean images with a detection, likewise",
    "clean_false_alarm_torch": "likewise of torch in fp32",
    "ms_per_image": "milliseconds for an image in the runtime, median",
    "ms_per_image_torch": "in torch, on the same threads",
    "size_mb": "megabytes of the files",
}
