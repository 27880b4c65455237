"""A SAM2 of 76,000 random weights, as a folder that transformers loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from steelcli.model.smp_import import import_smp

SIZE = 64
"""Height and width that it sees, pixels."""


def save_tiny_sam2(folder: Path) -> None:
    """Write it in the form of the published ones, whose memory for videos the images leave out."""
    import_smp()
    from transformers import (
        Sam2HieraDetConfig,
        Sam2ImageProcessor,
        Sam2VideoConfig,
        Sam2VideoModel,
        Sam2VideoProcessor,
        Sam2VideoVideoProcessor,
        Sam2VisionConfig,
    )

    backbone = Sam2HieraDetConfig(
        hidden_size=8,
        image_size=[SIZE, SIZE],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 4, 4, 2],
        window_positional_embedding_background_size=[4, 4],
        global_attention_blocks=[3],
    )
    vision = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
        fpn_hidden_size=16,
    )
    prompts = {"hidden_size": 16, "image_size": SIZE, "patch_size": 16, "mask_input_channels": 4}
    decoder = {"hidden_size": 16, "mlp_dim": 32, "num_attention_heads": 2}
    config = Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config=prompts,
        mask_decoder_config=decoder | {"iou_head_hidden_dim": 16},
        image_size=SIZE,
        memory_attention_hidden_size=16,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=32,
        memory_attention_rope_feat_sizes=[4, 4],
        memory_encoder_hidden_size=16,
        memory_encoder_output_channels=8,
        mask_downsampler_embed_dim=16,
        memory_fuser_embed_dim=16,
        memory_fuser_intermediate_dim=32,
        memory_fuser_num_layers=1,
    )
    torch.manual_seed(4)
    model = Sam2VideoModel(config)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:  # as initialised, no prompt would matter
                weights.normal_(0, 0.3)
    model.save_pretrained(folder)
    size = {"height": SIZE, "width": SIZE}
    processor = Sam2VideoProcessor(
        Sam2ImageProcessor(size=size), Sam2VideoVideoProcessor(size=size), target_size=SIZE
    )
    processor.save_pretrained(folder)


def segment_at_once(
    folder: Path, image: NDArray[np.uint8], **prompts: Any
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Return all masks, bool [prompts, 3, H, W], and their predicted IoU [prompts, 3].

    Args:
        image: uint8 [H, W, 3].
        prompts: ``input_boxes`` or ``input_points`` of one image.
    """
    import_smp()
    from transformers import Sam2Model, Sam2Processor

    processor, model = Sam2Processor.from_pretrained(folder), Sam2Model.from_pretrained(folder)
    inputs = processor(images=image, return_tensors="pt", **prompts)
    sizes = inputs.pop("original_sizes")
    with torch.inference_mode():
        out = model.eval()(**inputs)
    masks = processor.post_process_masks(out.pred_masks, sizes)[0]
    return masks.numpy(), out.iou_scores[0].numpy()
