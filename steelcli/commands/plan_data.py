"""What the raw data decides: format, classes, colour, splits, balance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steelcli.commands.check import WITHOUT_PARAMS, check
from steelcli.commands.plan_choices import Choices
from steelcli.commands.plan_masks import plan_masks
from steelcli.common.errors import quote
from steelcli.common.problems import Problems
from steelcli.common.small_splits import MIN_IMAGES
from steelcli.data.raw.recognise import open_source
from steelcli.data.raw.survey import Survey, refuse_problems
from steelcli.data.raw.suspicions import Finding, count_classes
from steelcli.data.raw.to_store import ChosenImage, Facts, choose_images
from steelcli.data.types import SPLITS, Split
from steelcli.reporting.problem_table import show_problems

MAX_FRACTION = 0.25
"""Largest share of the images that validation, or the test, is given for want of images."""
ABOUT_HALF = (0.45, 0.55)
"""Shares of images with a defect at which balancing changes next to nothing."""
MAX_NAMED = 8
"""Classes named in the reason."""
_SIGNS = {
    "supervisely": "meta.json beside img/ and ann/",
    "kaggle": "a csv with run lengths",
    "masks": "images/ beside masks/",
}


@dataclass(frozen=True)
class Splits:
    """The images of each split, as `prepare` will draw them.

    Attributes:
        chosen: in the order of the store.
    """

    chosen: tuple[ChosenImage, ...]

    def count(self, split: Split) -> int:
        """Return the images of a split."""
        return sum(image.split == split for image in self.chosen)


def plan_reading(choices: Choices) -> Survey[Finding]:
    """Choose how the data is read, and read it.

    Raises:
        ProblemsError: faults, as `check` tells them, unless they may be skipped.
        DataError: the data set as a whole cannot be read.
    """
    source = open_source(choices.params.data, Problems())
    choices.choose("data.format", source.format, f"found {_SIGNS[source.format]}")
    if source.format == "masks":
        plan_masks(choices)
    data = choices.params.data
    # whatever its shape, no image is too thin for a size that is chosen later
    found = check(data.model_copy(update={"image_size": WITHOUT_PARAMS.image_size}))
    if found.problems:
        show_problems(found.problems, data.root)
        refuse_problems(found, data, Path(data.root))
    _plan_classes(choices, found)
    _plan_color(choices, found.results)
    return found


def plan_splits(choices: Choices, found: Survey[Finding]) -> Splits:
    """Choose fractions and balance; return the split that follows.

    Raises:
        DataError: a split would have no image, or none with a defect.
    """
    own = Counter(sample.split for sample in found.samples if sample.split)
    defects = sum(any(one.class_pixels) for one in found.results)
    if own:
        parts = ", ".join(f"{name} {own[name]}" for name in SPLITS if own[name])
        choices.choose("data.keep_splits", True, f"the data brings its own: {parts} images")
    for split in SPLITS[1:]:
        if not own[split]:
            _plan_fraction(choices, f"data.{split}_fraction", defects, len(found.samples) - defects)
    facts = [
        Facts(one.content, one.class_pixels, one.height, one.width, one.smallest_defect)
        for one in found.results
    ]
    chosen, _ = choose_images(choices.params.data, found.samples, facts)
    train = [image for image in chosen if image.split == "train"]
    _plan_balance(choices, sum(any(image.facts.class_pixels) for image in train), len(train))
    return Splits(tuple(chosen))


def _plan_classes(choices: Choices, found: Survey[Finding]) -> None:
    *classes, (_, clean, _) = count_classes(found)
    named = [
        f"{quote(title)} on {images} ({share:.2%} of all pixels)"
        for title, images, share in classes[:MAX_NAMED]
    ]
    if len(classes) > MAX_NAMED:
        named.append(f"{len(classes) - MAX_NAMED} more")
    chosen = choices.params.data.classes
    which = "those of the config" if chosen else "all, by an empty list"
    reason = f"{which}; of {len(found.samples)} images {', '.join(named)}, none on {clean}"
    choices.choose("data.classes", chosen, reason)


def _plan_color(choices: Choices, images: Sequence[Finding]) -> None:
    colored = sum(not one.grey for one in images)
    if colored:
        choices.choose("data.color", "rgb", f"{colored} of {len(images)} images have colour")
    else:
        choices.choose("data.color", "grey", f"all {len(images)} images are grey (R = G = B)")


def _plan_fraction(choices: Choices, name: str, defects: int, clean: int) -> None:
    """Give a split about `MIN_IMAGES` of the rarer kind, but at most a quarter of the images."""
    usual = choices.value(name)
    counts = ((defects, "defect"), (clean, "clean"))
    rarer, kind = min((count, kind) for count, kind in counts if count)
    wanted = round(min(MAX_FRACTION, MIN_IMAGES / max(1, rarer)), 2)
    if wanted <= usual:
        expected = f"about {usual * rarer:.0f} of the {rarer} {kind} images"
        choices.choose(name, usual, f"as in the config: {expected}")
        return
    reason = f"more than the config's {usual:g}, for there are only {rarer} {kind} images:"
    choices.choose(name, wanted, f"{reason} about {wanted * rarer:.0f} of them")


def _plan_balance(choices: Choices, defects: int, images: int) -> None:
    share = defects / images
    says = f"{defects} of {images} training images have a defect"
    low, high = ABOUT_HALF
    if defects == images:
        reason = f"{says}; none is clean, so false alarms are neither learned from nor measured"
        choices.choose("train.balance", False, f"{reason}: add clean ones")
    elif share > high:
        reason = f"{says}: drawn once each; balance would repeat the few clean ones"
        choices.choose("train.balance", False, reason)
    elif share < low:
        reason = f"{says}: half of the draws show one instead"
        choices.choose("train.balance", True, reason)
    else:
        kept = choices.params.train.balance
        choices.choose("train.balance", kept, f"{says}: about half either way, as in the config")
