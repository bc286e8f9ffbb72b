"""``evalkit weights`` and what the other commands say of weights."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shapes
import yaml
from weights_server import Behaviour, Server, manifest, noise, role, serving, sha256

from evalkit.cli import main
from evalkit.metrics.features.base import feature_registry
from evalkit.weights.download import PARTS
from evalkit.weights.manifest import load_backbones

BODY, OTHER = noise(200_000, 1), noise(100_000, 2)
RUN = "import sys; from evalkit.cli import main; main(sys.argv[1:])"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "weights"
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return path


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with serving(lambda path: folder / PARTS / path) as running:
        yield running


@pytest.fixture
def mine(tmp_path: Path, server: Server) -> Path:
    """Return a set with one file of each kind, served."""
    server.paths |= {"a.bin": Behaviour(BODY), "b.bin": Behaviour(OTHER)}
    roles = {
        "face_detector": role("a.bin", BODY, server.url("a.bin"), licence="Research licence", noncommercial=True),
        "inception": role("b.bin", OTHER, server.url("b.bin"), sha256=None, digest="none"),
    }
    return manifest(tmp_path, roles)


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


def weights(capsys: pytest.CaptureFixture[str], verb: str, *words: str | Path) -> tuple[int, str, str]:
    return run(capsys, "weights", verb, *words)


# List


def test_list_names_every_role_with_its_facts_and_features(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, out, _ = weights(capsys, "list", "--json")
    rows = {row["role"]: row for row in json.loads(out)["files"]}
    published = load_backbones("published").roles
    assert code == 0
    assert rows.keys() == published.keys()
    for name, row in rows.items():
        assert (row["file"], row["bytes"], row["licence"]) == (
            published[name].file,
            published[name].bytes,
            published[name].licence,
        )
        assert row["state"] == "missing"
        users = [
            feature
            for feature, kind in feature_registry().items()
            if name in (*kind.record.weights, *kind.record.optional_weights)
        ]
        assert row["features"] == sorted(users), name
    assert "faces" in rows["face_detector"]["features"]
    code, text, _ = weights(capsys, "list")
    assert code == 0
    assert all(name in text for name in published)
    assert "NON-COMMERCIAL" in text


def test_list_tells_there_missing_and_wrong_apart(capsys: pytest.CaptureFixture[str], folder: Path, mine: Path) -> None:
    def states() -> dict[str, str]:
        files = json.loads(weights(capsys, "list", "-b", mine, "--json")[1])["files"]
        return {row["file"]: row["state"] for row in files}

    assert states() == {"a.bin": "missing", "b.bin": "missing"}
    folder.mkdir()
    (folder / "a.bin").write_bytes(BODY)
    (folder / "b.bin").write_bytes(OTHER)
    assert states() == {"a.bin": "there", "b.bin": "there"}
    assert not (folder / "trusted.json").exists()  # looking is not trusting
    (folder / "a.bin").write_bytes(BODY[:-1] + b"\0\0")
    assert states() == {"a.bin": "wrong", "b.bin": "there"}


# Pull and licences


def test_without_a_terminal_a_licence_must_be_accepted_by_word(
    capsys: pytest.CaptureFixture[str], folder: Path, server: Server, mine: Path
) -> None:
    code, out, err = weights(capsys, "pull", "-b", mine)
    assert (code, out) == (4, "")
    assert "--accept-licence" in err
    assert "Research licence (non-commercial use only)" in err
    assert "NON-COMMERCIAL" in err
    assert server.requests == []
    code, out, err = weights(capsys, "pull", "-b", mine, "--accept-licence")
    assert code == 0
    assert (folder / "a.bin").read_bytes() == BODY
    assert (folder / "b.bin").read_bytes() == OTHER
    assert "warning: The digest of 'b.bin' is not known" in err


def test_a_licence_is_accepted_once(capsys: pytest.CaptureFixture[str], folder: Path, mine: Path) -> None:
    assert weights(capsys, "pull", "-b", mine, "--accept-licence")[0] == 0
    (folder / "a.bin").unlink()
    code, _, err = weights(capsys, "pull", "-b", mine)
    assert code == 0
    assert "Research licence" not in err
    assert (folder / "a.bin").exists()


def test_another_folder_asks_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert weights(capsys, "pull", "-b", mine, "--accept-licence")[0] == 0
    monkeypatch.setenv("EVALKIT_WEIGHTS", str(tmp_path / "other"))
    assert weights(capsys, "pull", "-b", mine)[0] == 4


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 4), ("\n", 4)])
def test_on_a_terminal_the_licence_is_asked_for_once(folder: Path, mine: Path, answer: str, code: int) -> None:
    def on_terminal(reply: str) -> tuple[int, str]:
        leader, follower = pty.openpty()
        words = [sys.executable, "-c", RUN, "weights", "pull", "face_detector", "-b", str(mine)]
        process = subprocess.Popen(words, stdin=follower, stdout=subprocess.DEVNULL, stderr=follower)
        os.close(follower)
        said = b""
        sent = False
        while True:
            try:
                block = os.read(leader, 1000)
            except OSError:  # Linux: the other end is closed
                break
            if not block:
                break
            said += block
            if b"[y/N]" in said and not sent:
                os.write(leader, reply.encode())
                sent = True
        os.close(leader)
        return process.wait(timeout=60), said.decode(errors="replace")

    got, said = on_terminal(answer)
    assert got == code, said
    assert "NON-COMMERCIAL" in said
    assert "[y/N]" in said
    assert (folder / "a.bin").exists() == (code == 0)
    again, said = on_terminal("n\n")
    assert again == code
    assert ("[y/N]" in said) == (code != 0)


def test_pull_takes_roles_files_and_json(
    capsys: pytest.CaptureFixture[str], folder: Path, server: Server, mine: Path
) -> None:
    code, out, _ = weights(capsys, "pull", "b.bin", "-b", mine, "--accept-licence", "--json")
    document = json.loads(out)
    assert (code, document["ok"]) == (0, True)
    assert document["files"] == [{"file": "b.bin", "result": "fetched", "source": server.url("b.bin"), "error": None}]
    code, _, err = weights(capsys, "pull", "nonsense", "-b", mine)
    assert code == 2
    assert "nonsense" in err


def test_pull_for_a_metric_fetches_only_what_it_needs(
    capsys: pytest.CaptureFixture[str], folder: Path, server: Server, mine: Path
) -> None:
    assert weights(capsys, "pull", "--for", "psnr", "-b", mine)[0] == 0
    assert server.requests == []
    code, _, err = weights(capsys, "pull", "--for", "fid", "-b", mine, "--accept-licence")
    assert code == 0, err
    assert [request.path for request in server.requests] == ["b.bin"]
    assert weights(capsys, "pull", "--for", "fidd", "-b", mine)[0] == 2


def test_pull_for_a_challenge(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path, server: Server, mine: Path
) -> None:
    challenge = tmp_path / "challenge.yaml"
    challenge.write_text("id: mine\ntitle: Mine\nmetrics: [{id: identity}, {id: not.there}]\n")
    code, _, err = weights(capsys, "pull", "--challenge", challenge, "-b", mine, "--accept-licence")
    assert code == 0, err
    assert [request.path for request in server.requests] == ["a.bin"]
    assert "not.there" in err
    assert "have no arcface" in err


def test_an_absent_role_that_is_optional_is_not_reported(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    """Landmarks by dlib need no detector's file, and the published set has none."""
    _, out, err = weights(capsys, "verify", "--for", "landmark.m_lmd")
    assert "landmarks68" in out + err
    assert "landmarks68_detector" not in out + err


def test_a_failed_pull_names_every_address_and_is_exit_4(
    capsys: pytest.CaptureFixture[str], folder: Path, server: Server, mine: Path
) -> None:
    server.paths["a.bin"] = Behaviour(status=404)
    code, out, _ = weights(capsys, "pull", "-b", mine, "--accept-licence")
    assert code == 4
    assert server.url("a.bin") in out
    assert "404" in out
    assert "fetched  b.bin" in out


def test_ctrl_c_keeps_what_came_and_says_how_to_go_on(folder: Path, server: Server, mine: Path) -> None:
    release = threading.Event()
    server.paths["a.bin"].gate = lambda: release.wait(60) and None
    # Whoever runs the tests in the background may have left SIGINT ignored, which children inherit.
    heard = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {RUN}"
    words = [sys.executable, "-c", heard, "weights", "pull", "face_detector", "--accept-licence", "-b", str(mine)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    part = folder / PARTS / "a.bin"
    end = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    release.set()
    assert process.returncode == 130
    assert "bytes are kept; run the same command to continue" in err
    assert "Traceback" not in err
    assert part.stat().st_size > 0
    assert not (folder / "a.bin").exists()


# Import and verify


def test_import_reports_what_came_and_what_is_missing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path, mine: Path
) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    (stick / "renamed\x1b[31m").write_bytes(BODY)
    (stick / "junk").write_bytes(b"x")
    code, out, err = weights(capsys, "import", stick, "-b", mine)
    assert code == 0
    assert "imported a.bin" in out
    assert "\x1b[31m" not in out + err
    assert "1 imported, 0 wrong, 1 others ignored" in out
    assert "Still missing: b.bin." in out
    assert "NON-COMMERCIAL" in err
    (stick / "b.bin").write_bytes(OTHER[:-1])
    code, out, _ = weights(capsys, "import", stick, "-b", mine, "--json")
    document = json.loads(out)
    assert (code, document["ok"], document["missing"]) == (1, False, ["b.bin"])
    assert sorted(seen["verdict"] for seen in document["seen"]) == ["extra", "there", "wrong"]


def test_import_of_nothing_known_is_exit_1(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path, mine: Path
) -> None:
    (tmp_path / "junk").write_bytes(b"x")
    assert weights(capsys, "import", tmp_path / "junk", "-b", mine)[0] == 1
    assert weights(capsys, "import", tmp_path / "none", "-b", mine)[0] == 1


def test_verify_is_exit_4_until_everything_is_right(
    capsys: pytest.CaptureFixture[str], folder: Path, mine: Path
) -> None:
    assert weights(capsys, "verify", "-b", mine)[0] == 4
    folder.mkdir()
    (folder / "a.bin").write_bytes(BODY)
    (folder / "b.bin").write_bytes(OTHER)
    code, out, err = weights(capsys, "verify", "-b", mine)
    assert code == 0, out
    assert err.count("warning: ") == 1  # b.bin, seen for the first time
    assert weights(capsys, "verify", "-b", mine)[2] == ""
    (folder / "b.bin").write_bytes(OTHER[:-1] + b"\0")
    code, out, _ = weights(capsys, "verify", "-b", mine)
    assert code == 4
    assert sha256(OTHER) in out
    assert weights(capsys, "verify", "face_detector", "-b", mine)[0] == 0
    code, out, _ = weights(capsys, "verify", "-b", mine, "--json")
    assert [row["state"] for row in json.loads(out)["files"]] == ["there", "wrong"]


# Elsewhere


def test_doctor_lists_the_weights_and_how_to_get_them(
    capsys: pytest.CaptureFixture[str], folder: Path, mine: Path
) -> None:
    code, out, _ = run(capsys, "doctor", "-b", mine, "--json")
    checks = {check["name"]: check for check in json.loads(out)["checks"]}
    assert code == 4
    assert f"evalkit weights pull face_detector --backbones {mine}" in checks["weights mine/face_detector"]["detail"]
    assert f"evalkit weights pull --backbones {mine}" in checks["weights mine"]["detail"]
    assert checks["library torch"]["ok"]
    assert checks["library safetensors"]["ok"]
    folder.mkdir()
    (folder / "a.bin").write_bytes(BODY)
    (folder / "b.bin").write_bytes(OTHER)
    _, out, _ = run(capsys, "doctor", "-b", mine, "--json")
    checks = {check["name"]: check for check in json.loads(out)["checks"]}
    assert checks["weights mine/face_detector"]["ok"]
    assert "not known" in checks["weights mine/inception"]["detail"]
    assert "weights mine" not in checks


def test_doctor_does_not_import_torch(folder: Path) -> None:
    code = (
        "from click.testing import CliRunner; from evalkit.cli import cli; import sys\n"
        "result = CliRunner().invoke(cli, ['doctor', '--json'])\n"
        "assert 'library torch' in result.output\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("words", [["weights", "--help"], ["weights", "pull", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        "from click.testing import CliRunner; from evalkit.cli import cli; import sys\n"
        f"assert CliRunner().invoke(cli, {words}).exit_code == 0\n"
        "heavy = {'torch', 'numpy', 'requests', 'urllib3', 'filelock', 'pydantic', 'rich', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.shared
def test_a_scorecard_says_which_weights_were_trusted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: Path, shared: Path
) -> None:
    """The digest that this machine saw first stands in the card, counts in the set's digest, and is warned about."""
    folder.mkdir()
    for name in ("brisque_allmodel", "brisque_allrange"):
        shutil.copy(shared / "weights" / name, folder / name)
    small = yaml.safe_load((Path(__file__).parents[1] / "backbones.yaml").read_text())["roles"]
    roles: dict[str, Any] = {name: small[name] for name in ("brisque_model", "brisque_range")}
    digest = roles["brisque_model"].pop("sha256")
    chosen = manifest(tmp_path, roles)
    shapes.write_testset(tmp_path / "testset", 1, 0.4, size=64)
    shapes.write_submission(tmp_path / "team.zip", 1, 0.4, shapes.unchanged, size=64)
    words = ["score", tmp_path / "team.zip", "-c", "talking-head", "--testset", tmp_path / "testset", "--quiet"]
    words += ["-m", "brisque", "-b", chosen]
    code, _, err = run(capsys, *words, "-o", tmp_path / "out")
    assert code == 0, err
    assert "warning: brisque_model: 'brisque_allmodel' is trusted on first use" in err
    assert digest in err
    card = json.loads((tmp_path / "out" / "scorecard.json").read_text())
    used = card["provenance"]["weights"]
    assert used["brisque_model"]["trusted_on_first_use"] is True
    assert used["brisque_range"]["trusted_on_first_use"] is False
    assert used["brisque_model"]["sha256"] == digest
    assert digest in card["features"]["brisque"]["weights"]
    loaded = load_backbones(chosen)
    assert card["provenance"]["backbones"]["sha256"] == loaded.pinned({"brisque_model": digest}).sha256
    assert card["provenance"]["backbones"]["sha256"] != loaded.sha256
    with (folder / "brisque_allmodel").open("ab") as stream:
        stream.write(b"\n")
    code, _, err = run(capsys, *words, "-o", tmp_path / "out2")
    assert code == 4
    assert "is not the pinned one" in err
