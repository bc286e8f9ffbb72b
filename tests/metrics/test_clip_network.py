"""The CLIP network: its files, its pictures, and what must hold whatever the weights are."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from clip_checkpoint import TINY, as_published, random_state, transformers_names, write_archive
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from evalkit.errors import WeightsError
from evalkit.metrics.networks.clip import ClipEncoder, middle_square
from evalkit.metrics.networks.clip_states import load_clip_state

SIDE = TINY.side
END = TINY.vocabulary - 1


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """Random tensors that float16 holds exactly, so that every form of file gives the same numbers."""
    return {
        name: tensor if name == "logit_scale" else tensor.half().float() for name, tensor in random_state(TINY).items()
    }


@pytest.fixture(scope="module")
def network(state, tmp_path_factory) -> ClipEncoder:
    path = tmp_path_factory.mktemp("clip") / "plain.pt"
    torch.save(state, path)
    return ClipEncoder(path)


def squares(count: int, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Smooth coloured noise."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return [np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for one in small]


def texts(*rows: list[int]) -> NDArray[np.int64]:
    numbers = np.zeros((len(rows), TINY.context), dtype=np.int64)
    for row, content in enumerate(rows):
        numbers[row, : len(content)] = content
    return numbers


# --- what must hold of any network -------------------------------------------------------------------------------


def test_batch_and_order_of_pictures_do_not_matter(network):
    pictures = squares(18)
    together = network.embed_images(pictures)
    assert together.shape == (18, TINY.dimension)
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    assert together.std(axis=0).mean() > 0.1, "the network tells the pictures apart"
    for chosen in ([0], [17], [5, 3, 17]):
        some = network.embed_images([pictures[at] for at in chosen])
        assert np.abs(some - together[chosen]).max() <= 1e-5 * np.abs(together).max()
    assert np.array_equal(network.embed_images(pictures[:3]), network.embed_images(pictures[:3]))
    assert network.embed_images([]).shape == (0, TINY.dimension)


def test_a_picture_goes_with_itself(network):
    first, again = network.embed_images([squares(1)[0], squares(1)[0].copy()]).astype(np.float64)
    assert first @ again / np.linalg.norm(first) / np.linalg.norm(again) == pytest.approx(1.0, abs=1e-6)


def test_batch_and_order_of_texts_do_not_matter(network):
    rng = np.random.default_rng(1)
    tokens = texts(*([518, *rng.integers(0, 518, n).tolist(), END] for n in range(1, 20)))
    together = network.embed_texts(tokens)
    assert together.shape == (19, TINY.dimension)
    for chosen in ([0], [18], [7, 2, 18]):
        some = network.embed_texts(tokens[chosen])
        assert np.abs(some - together[chosen]).max() <= 1e-5 * np.abs(together).max()
    assert network.embed_texts(texts()).shape == (0, TINY.dimension)


def test_a_text_is_read_up_to_its_end_mark_and_in_order(network):
    """What follows the end mark, which is how padding is done, changes nothing; what precedes it does."""
    plain, padded, other, swapped, two_ends = network.embed_texts(
        texts([518, 5, 9, END], [518, 5, 9, END, 7, 7], [518, 5, 8, END], [518, 9, 5, END], [518, 5, 9, END, 7, END])
    )
    # Attention is causal: equal but for how the sums are laid out.
    assert np.abs(plain - padded).max() <= 1e-5 * np.abs(plain).max()
    assert np.abs(plain - two_ends).max() <= 1e-5 * np.abs(plain).max()
    for different in (other, swapped):
        assert np.abs(plain - different).max() > 1e-2 * np.abs(plain).max()


def test_channels_are_normalised_in_rgb_order(state, tmp_path):
    """Patches of one channel only: its mean colour gives zero, whatever the other channels are."""
    only_red = {**state, "visual.conv1.weight": state["visual.conv1.weight"].clone()}
    only_red["visual.conv1.weight"][:, 1:] = 0
    torch.save(only_red, tmp_path / "red.pt")
    network = ClipEncoder(tmp_path / "red.pt")
    colours = [(123, 0, 0), (123, 255, 255), (0, 0, 123), (200, 0, 0)]
    plain, others_differ, blue, redder = network.embed_images(
        [np.full((SIDE, SIDE, 3), colour, dtype=np.uint8) for colour in colours]
    )
    assert np.array_equal(plain, others_differ)
    assert not np.allclose(plain, blue, rtol=1e-2)
    assert not np.allclose(plain, redder, rtol=1e-2)


@pytest.mark.parametrize(
    "tokens", [np.zeros((1, 76), np.int64), np.zeros(77, np.int64), texts([520]), -texts([1])], ids=str
)
def test_what_are_no_tokens_is_refused(network, tokens):
    with pytest.raises(ValueError, match="token numbers are"):
        network.embed_texts(tokens)


def test_lower_precision_is_near_and_not_the_same(state, network, tmp_path):
    torch.save(state, tmp_path / "plain.pt")
    lower = ClipEncoder(tmp_path / "plain.pt", precision=torch.bfloat16).embed_images(squares(4))
    full = network.embed_images(squares(4))
    assert lower.dtype == np.float32
    difference = np.abs(lower - full).max() / np.abs(full).max()
    assert 0 < difference < 0.1


# --- the middle square -------------------------------------------------------------------------------------------


def ramp(height: int, width: int) -> NDArray[np.uint8]:
    """Red tells the column, green the row."""
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[:, :, 0] = np.arange(width)[None] % 256
    picture[:, :, 1] = np.arange(height)[:, None] % 256
    return picture


@pytest.mark.parametrize(
    ("width", "openai", "transformers"),
    # margins 0 to 5: half of 1, 3 and 5 is 0.5, 1.5, 2.5; to the even neighbour 0, 2, 2; down 0, 1, 2
    [(64, 0, 0), (65, 0, 0), (66, 1, 1), (67, 2, 1), (68, 2, 2), (69, 2, 2)],
)
def test_the_middle_is_cut_out_as_each_reference_does(width, openai, transformers):
    for crop, left in (("openai", openai), ("transformers", transformers)):
        assert middle_square(ramp(64, width), 64, crop)[0, :, 0].tolist() == list(range(left, left + 64))
        assert middle_square(ramp(width, 64), 64, crop)[:, 0, 1].tolist() == list(range(left, left + 64))


def test_the_shorter_side_is_resized_with_antialiasing():
    """A board of single pixels at twice the size becomes grey; without antialiasing it stays black and white."""
    board = np.repeat((np.indices((128, 256)).sum(axis=0) % 2 * 255)[:, :, None], 3, axis=2).astype(np.uint8)
    square = middle_square(board, 64, "openai")
    assert square.shape == (64, 64, 3)
    assert square.dtype == np.uint8
    assert square[8:-8, 8:-8].min() >= 120
    assert square[8:-8, 8:-8].max() <= 135
    # Small ones are enlarged; the longer side is cut down: 64 * 31 / 20 = 99.2.
    assert middle_square(ramp(20, 31), 64, "openai").shape == (64, 64, 3)


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_what_is_no_frame_is_refused(bad):
    with pytest.raises(ValueError, match="a frame is uint8"):
        middle_square(bad, 64, "openai")


# --- checkpoints -------------------------------------------------------------------------------------------------

Write = Callable[[Path, dict], str | None]


def plain(path: Path, state: dict) -> None:
    torch.save(state, path)


def archive(path: Path, state: dict) -> str:
    return write_archive(path, as_published(state, TINY))


def transformers_bin(path: Path, state: dict) -> None:
    torch.save(transformers_names(state), path)


def transformers_safetensors(path: Path, state: dict) -> None:
    save_file({name: tensor.contiguous() for name, tensor in transformers_names(state).items()}, path)


FORMS = [
    pytest.param(plain, "plain.pt", id="plain"),
    pytest.param(archive, "ViT.pt", id="archive"),
    pytest.param(transformers_bin, "pytorch_model.bin", id="bin"),
    pytest.param(transformers_safetensors, "model.safetensors", id="safetensors"),
]


@pytest.mark.parametrize(("write", "name"), FORMS)
def test_every_form_of_the_file_gives_the_same_numbers(state, network, tmp_path, write: Write, name):
    digest = write(tmp_path / name, state)
    other = ClipEncoder(tmp_path / name, sha256=digest)
    assert other.sizes == network.sizes == TINY
    assert other.logit_scale == pytest.approx(100, rel=1e-6)
    tokens = texts([518, 3, 4, END])
    assert np.array_equal(other.embed_images(squares(2)), network.embed_images(squares(2)))
    assert np.array_equal(other.embed_texts(tokens), network.embed_texts(tokens))


def test_half_precision_tensors_become_float32(state, tmp_path):
    digest = archive(tmp_path / "ViT.pt", state)
    published = as_published(state, TINY)
    assert published["visual.conv1.weight"].dtype == torch.float16
    loaded = load_clip_state(tmp_path / "ViT.pt", digest)
    assert {tensor.dtype for tensor in loaded.values()} == {torch.float32}
    assert set(loaded) == set(state)


def test_an_archive_without_the_pinned_digest_is_never_loaded(state, tmp_path, monkeypatch):
    digest = archive(tmp_path / "ViT.pt", state)
    loads: list[object] = []
    monkeypatch.setattr(torch.jit, "load", lambda *args, **kwargs: loads.append(args))
    with pytest.raises(WeightsError, match="from a pinned digest only"):
        ClipEncoder(tmp_path / "ViT.pt")
    with pytest.raises(WeightsError, match="not the pinned one"):
        ClipEncoder(tmp_path / "ViT.pt", sha256=digest[::-1])
    assert loads == []


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self):
        return os.mkdir, (str(self._target),)


@pytest.mark.parametrize("how", ["torch", "torch_legacy", "pickle"])
@pytest.mark.parametrize("name", ["ViT-B-32.pt", "pytorch_model.bin", "model.safetensors"])
def test_a_pickle_that_runs_code_is_refused_in_place_of_every_form(state, tmp_path, name, how):
    path, target = tmp_path / name, tmp_path / "executed"
    content = {**state, "x": Evil(target)}
    if how == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    for digest in (None, "0" * 64):
        with pytest.raises(WeightsError, match=r"rejected|can't be read"):
            ClipEncoder(path, sha256=digest)
    assert not target.exists()
    with path.open("rb") as stream:  # the file does what the test believes
        (pickle.load(stream) if how == "pickle" else torch.load(stream, weights_only=False))
    assert target.exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: state.pop("ln_final.bias"), "1 missing: ln_final.bias"),
        (lambda state: state.update(more=torch.zeros(1)), "1 unknown: more"),
        (lambda state: state.update({"visual.ln_pre.bias": torch.zeros(3)}), r"visual.ln_pre.bias \(3,\) instead of"),
        (lambda state: state.pop("visual.conv1.weight"), "no CLIP with a vision transformer. Found no visual.conv1"),
        (lambda state: state.update({"visual.conv1.weight": torch.zeros(2)}), r"visual.conv1.weight of shape \(2,\)"),
        (lambda state: state.update({"visual.conv1.weight": torch.zeros(100, 3, 32, 32)}), "widths 100 and 64"),
        (lambda state: state.update({"visual.positional_embedding": torch.zeros(4, 128)}), "3 patches"),
    ],
)
def test_what_does_not_fit_is_told(state, tmp_path, change, told):
    changed = dict(state)
    change(changed)
    torch.save(changed, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match=told):
        ClipEncoder(tmp_path / "other.pt")


def test_a_lacking_third_of_an_attention_is_told(state, tmp_path):
    names = transformers_names(state)
    del names["text_model.encoder.layers.1.self_attn.k_proj.bias"]
    torch.save(names, tmp_path / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"no self_attn.k_proj for transformer.resblocks.1.attn.in_proj_bias"):
        ClipEncoder(tmp_path / "pytorch_model.bin")
