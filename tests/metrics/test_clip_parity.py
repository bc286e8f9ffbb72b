# ruff: noqa: RUF001 - letters that look like others are what a tokenizer must tell apart
"""CLIP beside OpenAI's own code and transformers: same random checkpoints, same pictures, same texts."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from clip_checkpoint import BASE, LARGE, as_published, random_state, write_archive
from numpy.typing import NDArray
from PIL import Image

from evalkit.metrics.networks.clip import MEAN, STD, ClipEncoder, ClipModel, middle_square
from evalkit.metrics.networks.clip_states import Sizes
from evalkit.metrics.networks.tokenizer import Tokenizer
from evalkit.weights.manifest import load_backbones

pytestmark = [pytest.mark.oracles]
ORACLES = Path(__file__).parent.parent / "oracles"
PROMPT = "a woman in a red coat turns her head, smiles and says something to the camera while it rains outside"
TEXTS = [
    "a man speaks",
    "A photo depicts an old man with a grey beard, glasses and a hat.",
    PROMPT,
    "two children laugh in front of a blackboard",
    ", ".join([PROMPT] * 6),
]
# 14-pixel patches and 256 of them as in ViT-L/14, but narrow.
LIKE_LARGE = Sizes(128, 3, 14, 16, 64, 3, 77, 49408, 96)
Result = dict[str, NDArray[Any]]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def vocabulary(oracle_python: Path) -> Path:
    command = [str(oracle_python), str(ORACLES / "clip_openai.py"), "vocabulary"]
    return Path(subprocess.run(command, check=True, timeout=120, capture_output=True, text=True).stdout.strip())


@pytest.fixture(scope="module")
def tokenizer(vocabulary: Path) -> Tokenizer:
    return Tokenizer(vocabulary)


@dataclass(frozen=True)
class Pictures:
    """The same pictures as arrays and as lossless files."""

    arrays: list[NDArray[np.uint8]]
    files: list[Path]


@pytest.fixture(scope="module")
def pictures(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    """One frame of each of 12 clips up to 1080 x 1920, two portraits, and sizes whose margin is odd."""
    folder = tmp_path_factory.mktemp("pictures")
    arrays = []
    for path in sorted((shared / "data/clips").glob("c*")):
        with av.open(str(path)) as container:
            arrays.append(next(container.decode(video=0)).to_ndarray(format="rgb24"))
    for path in sorted((shared / "data/portraits").glob("*_1.png"))[:2]:
        with Image.open(path) as image:
            arrays.append(np.asarray(image.convert("RGB")))
    for width, height in ((227, 224), (300, 301), (150, 151)):
        arrays.append(np.asarray(Image.fromarray(arrays[0]).resize((width, height), Image.Resampling.BICUBIC)))
    files = [folder / f"{number:02}.png" for number in range(len(arrays))]
    for array, file in zip(arrays, files, strict=True):
        Image.fromarray(array).save(file, compress_level=1)
    return Pictures(arrays, files)


def ask(python: Path, script: str, job: dict[str, Any], folder: Path) -> Result:
    """Run an oracle and return its arrays."""
    (folder / "job.json").write_text(json.dumps(job))
    command = [str(python), str(ORACLES / script), str(folder / "job.json"), str(folder / "result.npz")]
    subprocess.run(command, check=True, timeout=400)
    with np.load(folder / "result.npz") as result:
        return dict(result)


def logits(network: ClipEncoder, images: NDArray[np.float32], texts: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return scaled cosines (N, T) of vectors (N, D) and (T, D)."""
    pictures, prompts = (part / np.linalg.norm(part, axis=1)[:, None] for part in map(np.float64, (images, texts)))
    return network.logit_scale * pictures @ prompts.T


def normalised(square: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the network's input (3, S, S) of a middle square."""
    return ((square / 255.0 - MEAN) / STD).transpose(2, 0, 1)


def told(name: str, difference: float, limit: float) -> None:
    print(f"{name}: largest difference {difference:.2e}, allowed {limit:g}")
    assert difference <= limit


def check_discriminates(scores: NDArray[Any]) -> None:
    """Without spread between pictures and between texts, equal numbers would prove nothing."""
    assert scores.std(axis=0).mean() > 0.5
    assert scores.std(axis=1).mean() > 0.5


# --- OpenAI ------------------------------------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.parametrize("sizes", [BASE, LIKE_LARGE], ids=["vit_b32", "like_l14"])
def test_the_archive_gives_what_openais_code_gives(sizes, oracle_python, pictures, tokenizer, tmp_path):
    """The whole way: OpenAI's kind of file, its own loading, its picture pipeline, its tokens."""
    checkpoint = tmp_path / "ViT.pt"
    digest = write_archive(checkpoint, as_published(random_state(sizes), sizes))
    job = {"checkpoint": str(checkpoint), "images": [str(file) for file in pictures.files], "texts": TEXTS}
    theirs = ask(oracle_python, "clip_openai.py", job, tmp_path)
    network = ClipEncoder(checkpoint, sha256=digest)
    assert network.sizes == sizes
    squares = [middle_square(array, sizes.side, "openai") for array in pictures.arrays]
    told("input", np.abs(np.stack([normalised(square) for square in squares]) - theirs["pixels"]).max(), 1e-5)
    images = network.embed_images(squares)
    texts = network.embed_texts(tokenizer.tokens(TEXTS).numbers)
    for name, ours in (("images", images), ("texts", texts)):
        told(f"{name}, relative to the largest", np.abs(ours - theirs[name]).max() / np.abs(theirs[name]).max(), 1e-4)
    check_discriminates(theirs["logits"])
    told("logits", np.abs(logits(network, images, texts) - theirs["logits"]).max(), 1e-3)


# --- transformers ------------------------------------------------------------------------------------------------


def config(sizes: Sizes) -> dict[str, Any]:
    """Return transformers' words for sizes, as in its configurations of ViT-B/32 and ViT-L/14."""

    def tower(width: int, layers: int) -> dict[str, Any]:
        shape = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers}
        return {**shape, "num_attention_heads": width // 64, "hidden_act": "quick_gelu"}

    both = {"projection_dim": sizes.dimension}
    text = {"vocab_size": sizes.vocabulary, "max_position_embeddings": sizes.context, "eos_token_id": 49407}
    vision = {"patch_size": sizes.patch, "image_size": sizes.side}
    return {
        **both,
        "text_config": {**tower(sizes.text_width, sizes.text_layers), **text, **both},
        "vision_config": {**tower(sizes.vision_width, sizes.vision_layers), **vision, **both},
    }


@pytest.mark.shared
@pytest.mark.parametrize("sizes", [BASE, LIKE_LARGE], ids=["vit_b32", "like_l14"])
def test_both_files_of_transformers_give_what_it_gives(sizes, oracle_python, pictures, tokenizer, vocabulary, tmp_path):
    """Its model, its Pillow pipeline and its tokens; ours from the files that it writes."""
    job = {
        "config": config(sizes),
        "folder": str(tmp_path),
        "vocabulary": str(vocabulary),
        "images": [str(file) for file in pictures.files],
        "texts": TEXTS,
        "seed": 1,
    }
    theirs = ask(oracle_python, "clip_transformers.py", job, tmp_path)
    squares = [middle_square(array, sizes.side, "transformers") for array in pictures.arrays]
    inputs = np.stack([normalised(square) for square in squares])
    told("input", np.abs(inputs - theirs["pixels"]).max(), 1e-5)
    tensors = np.abs(inputs - theirs["pixels_tensor"])
    print(f"(its default pipeline resizes tensors: input differs by {tensors.mean():.1e}, at most {tensors.max():.2f})")
    numbers = tokenizer.tokens(TEXTS).numbers
    for row, ids in zip(numbers, theirs["ids"], strict=True):
        length = int(row.argmax()) + 1
        assert row[:length].tolist() == ids[:length].tolist()
        assert set(ids[length:].tolist()) <= {49407}
    check_discriminates(theirs["logits"])
    for file in ("pytorch_model.bin", "model.safetensors"):
        network = ClipEncoder(tmp_path / file)
        assert network.sizes == sizes
        ours = logits(network, network.embed_images(squares), network.embed_texts(numbers))
        told(f"logits from {file}", np.abs(ours - theirs["logits"]).max(), 1e-3)


# --- tokens ------------------------------------------------------------------------------------------------------

STRINGS = [
    *TEXTS,
    "",
    " ",
    "\t\n \r\n",
    "Hello, world! It's 3:45 p.m. -- isn't it? We'll SEE; they'd've gone.",
    "café CAFÉ cafe\u0301 naïve Ærøskøbing straße ﬁne İstanbul ıI",
    "schÃ¶n â€œquotedâ€\x9d cafÃ©",
    "一个女人在雨中微笑,然后转身。",
    "日本語のテキスト カタカナ ﾊﾝｶｸ 한국어 조선말",
    "Привет, мир! Ελληνικά עברית العربية हिन्दी ไทย",
    "😀 👩‍👩‍👧‍👦 🇩🇪 👍🏽 ❤️ \U0001f9d1\u200d\U0001f4bb",
    "&lt;b&gt;bold&lt;/b&gt; &amp;amp; &amp;lt; &nbsp;&eacute; &#x1F600; &#0; &notanentity; &copy",
    "<b> &lt; &amp;lt; &amp;amp;lt; &amp;amp;amp;lt; &eacute; &amp;eacute; </b>",
    "a\u00a0b\u2003c\u200bd\u3000e\ufefff\u2028g\u0085h\x1ci\x1fj\x0bk",
    "control\x00\x01\x02\x07\x08\x1b[31mred\x7f\x80\x9f",
    "lone \ud83d surrogate and pair \ud83d\ude00",
    "<|startoftext|> a trick <|endoftext|> and more <|ENDOFTEXT|> <|endof text|>",
    "'S 'RE 'LL I'M 'D'VE ''s '' ' `´’ don’t “x” …—–",
    "1234567890 ½ ² Ⅷ ١٢٣ 3.14e-10 0x1F 1,000,000",
    "_under_score__ __init__ a_b-c+d=e*f/g\\h|i~j^k#l@m$n%o",
    "!!!!!!!! ???? ........ ,,,, ////////// ------------ ========",
    "pneumonoultramicroscopicsilicovolcanoconiosis " * 12,
    "x" * 500,
    "ab" * 300,
    "word " * 75,
    "word " * 76,
    "word " * 74,
    "ſ 'ſ K Å Ω ß ẞ ǅ ŉ ﬆ ﬃ",
    "e\u0301\u0327\u0316 zalgo\u0336\u0334\u0337",
    "ℌ𝔢𝔩𝔩𝔬 ｆｕｌｌｗｉｄｔｈ ①②③",
]


def made_up_strings() -> list[str]:
    """600 strings of random characters: printable ASCII, Latin, all planes, and random bytes read as Latin-1."""
    rng = np.random.default_rng(5)
    pools = [
        list(range(32, 127)),
        [*range(32, 127), *range(0xA0, 0x250)],
        [*range(0x20, 0xD800, 7), *range(0xE000, 0x11000, 11), *range(0x1F300, 0x1FA00, 3)],
        list(range(256)),
    ]
    return ["".join(map(chr, rng.choice(pools[n % 4], size=int(rng.integers(1, 80))))) for n in range(600)]


def vocabulary_texts(vocabulary: Path) -> list[str]:
    """100 texts of 60 words each, drawn from the vocabulary itself."""
    lines = gzip.decompress(vocabulary.read_bytes()).decode().split("\n")[1:48895]
    words = ["".join(line.split()).removesuffix("</w>") for line in lines]
    drawn = np.random.default_rng(6).choice(words, size=(100, 60))
    return [" ".join(row) for row in drawn]


def test_tokens_are_those_of_the_original(oracle_python, tokenizer, vocabulary, tmp_path):
    texts = STRINGS + made_up_strings() + vocabulary_texts(vocabulary)
    theirs = ask(oracle_python, "clip_openai.py", {"checkpoint": None, "images": [], "texts": texts}, tmp_path)
    ours = tokenizer.tokens(texts)
    different = [
        text
        for text, row, count, their_row, their_count in zip(
            texts, ours.numbers, ours.counts, theirs["numbers"], theirs["counts"], strict=True
        )
        if count != their_count or not np.array_equal(row, their_row)
    ]
    print(f"{len(texts)} texts, {len(different)} with other tokens, {int((ours.counts > 77).sum())} cut")
    assert different == []
    assert (ours.counts > 77).sum() > 5
    assert len(np.unique(ours.numbers)) > 5000
    assert tokenizer.size == 49408


def test_the_pinned_vocabulary_is_the_originals(vocabulary):
    content = vocabulary.read_bytes()
    entry = load_backbones("published").roles["clip_vocabulary"]
    assert (entry.sha256, entry.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert entry.file == vocabulary.name


def test_published_sizes_are_those_of_the_networks():
    """What is built for the shapes above is what the published files hold: 151 and 428 million numbers."""
    for sizes, millions in ((BASE, 151.28), (LARGE, 427.62)):
        with torch.device("meta"):
            model = ClipModel(sizes)
        assert sum(tensor.numel() for tensor in model.state_dict().values()) / 1e6 == pytest.approx(millions, abs=0.01)
