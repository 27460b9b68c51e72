"""`echoless pull` against a stand-in for the hub on loopback, cuts and lies included."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from echoless import catalogue
from echoless.pull import PullError, listing, pull

MODEL = b"GGUF" + bytes(range(256)) * 4096
VOICE = "en/en_US/hfc_female/medium/en_US-hfc_female-medium.onnx"


class Hub(ThreadingHTTPServer):
    """What of the hub a download touches: metadata by HEAD, ranges by GET, the model's page, errors by header."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.claims: dict[str, str] = {}
        self.cut_after: int | None = None
        self.asked: list[tuple[str, str, str | None]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: object) -> None: ...

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        asked_range = self.headers.get("Range")
        self.server.asked.append((self.command, self.path, asked_range))
        if self.path.startswith("/api/models/"):
            return self._send(200, json.dumps({"id": "x/y", "cardData": {"license": "mit"}}).encode(), {}, body)
        repo, _, file = self.path.lstrip("/").partition("/resolve/main/")
        if not any(name.startswith(repo + "/") for name in self.server.files):
            return self._send(401, b"", {"X-Error-Code": "RepoNotFound"}, body)
        data = self.server.files.get(f"{repo}/{file}")
        if data is None:
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, body)
        claim = self.server.claims.get(file, hashlib.sha256(data).hexdigest())
        headers = {"X-Repo-Commit": "c" * 40, "ETag": f'"{claim}"', "X-Linked-Etag": f'"{claim}"'}
        headers["X-Linked-Size"] = str(len(data))
        if asked_range and body:
            begin = int(asked_range.removeprefix("bytes=").rstrip("-").split("-")[0])
            headers["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
            return self._send(206, data[begin:], headers, body)
        return self._send(200, data, headers, body)

    def _send(self, status: int, data: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if not body:
            return
        cut = self.server.cut_after
        if cut is not None and len(data) > cut:
            self.server.cut_after = None
            self.wfile.write(data[:cut])
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(data)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.delenv("ECHOLESS_MODELS", raising=False)
    monkeypatch.setattr(catalogue, "data_dir", lambda: tmp_path)
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_a_file_arrives_with_its_licence_and_its_sum(hub: Hub, models: Path, capsys: pytest.CaptureFixture[str]):
    hub.files["x/y/deep/m.gguf"] = MODEL
    assert pull("x/y/deep/m.gguf") == [models / "m.gguf"]
    assert (models / "m.gguf").read_bytes() == MODEL
    assert "licence: mit" in capsys.readouterr().err
    about = json.loads((models / "m.gguf.from").read_text())
    assert about == {
        "repo": "x/y", "revision": "c" * 40, "licence": "mit", "sha256": hashlib.sha256(MODEL).hexdigest(),
    }  # fmt: skip
    assert catalogue.pulled("m.gguf") == models / "m.gguf"
    hub.asked.clear()
    pull("x/y/deep/m.gguf")
    assert not any(method == "GET" and "resolve" in path for method, path, _ in hub.asked)  # it is here already


def test_a_cut_download_goes_on_where_it_was(hub: Hub, models: Path, monkeypatch: pytest.MonkeyPatch):
    hub.files["x/y/m.gguf"] = MODEL
    models.mkdir()
    etag = hashlib.sha256(MODEL).hexdigest()
    (models / f".m.gguf.{etag[:16]}.part").write_bytes(MODEL[:300_000])  # as a killed pull leaves it
    pull("x/y/m.gguf")
    assert ("GET", "/x/y/resolve/main/m.gguf", "bytes=300000-") in hub.asked
    assert (models / "m.gguf").read_bytes() == MODEL
    assert [path.name for path in models.glob(".*")] == []


def test_a_connection_that_breaks_is_taken_up_again(hub: Hub, models: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 50_000)
    hub.files["x/y/m.gguf"] = MODEL
    hub.cut_after = 200_000
    pull("x/y/m.gguf", sha256=hashlib.sha256(MODEL).hexdigest())
    assert (models / "m.gguf").read_bytes() == MODEL
    assert any(wanted == "bytes=200000-" for _, path, wanted in hub.asked if path.endswith("m.gguf"))


@pytest.mark.parametrize("lie", ["the hub's own sum", "our pin"])
def test_a_wrong_sum_is_refused_and_deleted(lie: str, hub: Hub, models: Path):
    hub.files["x/y/m.gguf"] = MODEL
    pin = None
    if lie == "our pin":
        pin = "a" * 64
    else:
        hub.claims["m.gguf"] = "b" * 64
    with pytest.raises(PullError, match=r"sha256 is .* deleted"):
        pull("x/y/m.gguf", sha256=pin)
    assert list(models.iterdir()) == []


def test_a_small_file_is_checked_as_git_does(hub: Hub, models: Path):
    hub.files["x/y/a.json"] = b"{}\n"
    hub.claims["a.json"] = "0967ef424bce6791893e9a57bb952f80fd536e93"  # git hash-object of '{}\n'
    pull("x/y/a.json")
    hub.files["x/y/a.json"] = b"[]\n"
    (models / "a.json").unlink()
    with pytest.raises(PullError, match="git blob"):
        pull("x/y/a.json")


def test_what_is_not_a_gguf_is_refused(hub: Hub, models: Path):
    hub.files["x/y/m.gguf"] = b"<html>please log in</html>"
    with pytest.raises(PullError, match="not a GGUF file"):
        pull("x/y/m.gguf")
    assert list(models.iterdir()) == []


def test_a_piper_voice_comes_with_its_configuration_and_its_cards_licence(hub: Hub, models: Path, capsys):
    hub.files[f"{catalogue.VOICES}/{VOICE}"] = b"onnx"
    hub.files[f"{catalogue.VOICES}/{VOICE}.json"] = b"{}"
    hub.files[f"{catalogue.VOICES}/{Path(VOICE).parent}/MODEL_CARD"] = b"# Card\n\n* License: CC BY-NC-SA 4.0\n"
    paths = pull("en_US-hfc_female-medium")
    assert [path.name for path in paths] == ["en_US-hfc_female-medium.onnx", "en_US-hfc_female-medium.onnx.json"]
    assert "licence: CC BY-NC-SA 4.0" in capsys.readouterr().err
    assert catalogue.pulled("en_US-hfc_female-medium") == paths[0]
    assert str(paths[0]) in listing()


def test_a_recogniser_comes_as_a_folder_and_counts_when_it_is_whole(hub: Hub, models: Path):
    known = catalogue.entry("sense-voice")
    assert known
    hub.files[f"{known.repo}/model.int8.onnx"] = b"onnx"
    with pytest.raises(PullError, match=r"has no file tokens\.txt"):
        pull("sense-voice")
    assert catalogue.pulled("sense-voice") is None
    hub.files[f"{known.repo}/tokens.txt"] = b"a 0\n"
    folder = models / "sense-voice"
    assert pull("sense-voice") == [folder / "model.int8.onnx", folder / "tokens.txt"]
    assert catalogue.pulled("sense-voice") == folder
    assert str(folder) in listing()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("x/y/missing.gguf", "x/y has no file missing.gguf"),
        ("no/body/m.gguf", "there is no model no/body"),
        ("Llama-3.2-3B", "did you mean Llama-3.2-3B-Instruct?"),
        ("x/y/../../etc/passwd", "no model is called"),
        ("qqq", "echoless pull --list"),
    ],
)
def test_what_cannot_be_had_is_one_line(name: str, told: str, hub: Hub):
    hub.files["x/y/m.gguf"] = MODEL
    with pytest.raises(PullError) as caught:
        pull(name)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_no_hub_at_all_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("ECHOLESS_MODELS", raising=False)
    monkeypatch.setattr(catalogue, "data_dir", lambda: tmp_path)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(PullError, match="cannot be reached"):
        pull("gemma-3-270m-it")


def test_the_list_holds_the_promised_names():
    text = listing()
    for name in (
        "Llama-3.2-3B-Instruct", "Qwen2.5", "gemma-3-270m-it", "LFM2-1.2B", "TinyLlama-1.1B-Chat", "SmallThinker-3B",
        "minichat-3b", "en_US-hfc_female-medium", "zh_CN-huayan-medium", "sense-voice", "paraformer-zh",
        "whisper-small",
    ):  # fmt: skip
        assert name in text
