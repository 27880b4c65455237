"""Turn ``auto`` under ``model.mean`` and ``model.std`` into the numbers that belong to an encoder.

They are those its ImageNet weights were trained with. The same numbers serve random weights and
weights from a file, so they depend on the encoder's name alone.
"""

from __future__ import annotations

from steelcli.model.smp_import import import_smp
from steelcli.params.model import ModelParams, NetworkParams

Channels = tuple[float, ...]

_IMAGENET: tuple[Channels, Channels] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALF: tuple[Channels, Channels] = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
_DPN: tuple[Channels, Channels] = (
    (124 / 255, 117 / 255, 104 / 255),
    (1 / (0.0167 * 255), 1 / (0.0167 * 255), 1 / (0.0167 * 255)),
)
_OTHERS = {
    "dpn": _DPN,
    "inceptionresnetv2": _HALF,
    "inceptionv4": _HALF,
    "timm-tf_efficientnet_lite": _HALF,
    "xception": _HALF,
}
"""How the encoders of smp's own begin whose weights were not trained with `_IMAGENET`. Since smp
0.5 it reads these numbers from the hub; they are written down here so that nothing is asked."""


def resolve_normalisation(params: ModelParams) -> NetworkParams:
    """Return the parameters with numbers in place of ``auto``."""
    values = params.model_dump()
    if "auto" in (params.mean, params.std):
        known = dict(zip(("mean", "std"), _look_up(params.encoder_name), strict=True))
        values |= {key: known[key] for key in known if values[key] == "auto"}
    return NetworkParams(**values)


def _look_up(encoder_name: str) -> tuple[Channels, Channels]:
    """Return mean and std of an encoder; `_IMAGENET` for one that is not known."""
    smp = import_smp()
    name = encoder_name
    if smp.encoders.is_equivalent_to_timm_universal(name):  # as smp renames it
        name = name.replace("timm-", "tu-tf_" if "mobilenetv3" in name else "tu-")
    if name.startswith("tu-"):
        import timm

        try:
            settings = timm.get_pretrained_cfg(name.removeprefix("tu-"))
        except RuntimeError:  # an unknown tag, which building the network explains
            return _IMAGENET
        if settings is None:
            return _IMAGENET
        return settings.mean, settings.std
    for beginning, known in _OTHERS.items():
        if name.startswith(beginning):
            return known
    return _IMAGENET
