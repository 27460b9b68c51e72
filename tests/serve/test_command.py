"""`echoless serve`: what it refuses to do, and what it says. Certificates are made on the spot."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from echoless.cli import main
from echoless.serve.command import Place, ServeError, Serving, Terms, desktop_browser, own_addresses
from echoless.serve.gate import COOKIE
from echoless.serve.session import Session, Sessions
from echoless.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback_is_free(host: str) -> None:
    place = Place(host)
    assert place.loopback and not place.open_to_others and place.media_addresses == ("127.0.0.1",)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "talk.example.org", "127.0.0.1.evil.example"])
def test_anything_else_needs_a_certificate_or_a_proxy(host: str) -> None:
    with pytest.raises(ServeError, match="--certificate"):
        Place(host)
    place = Place(host, behind="https://talk.example.org")
    assert place.open_to_others and place.secure and place.media_addresses is None


def test_a_page_for_others_answers_to_this_machines_own_addresses_only() -> None:
    ours = Place("0.0.0.0", certificate=Path("c"), key=Path("k")).origins(8642)
    for address in own_addresses():
        host = f"[{address}]:8642" if ":" in address else f"{address}:8642"
        assert ours.refuse({"Host": host, "Origin": f"https://{host}"}) is None
    assert ours.refuse({"Host": "192.0.2.7:8642"}) is not None
    assert ours.refuse({"Host": "rebound.example:8642"}) is not None


def test_a_proxy_in_front_of_loopback_still_wants_a_token() -> None:
    assert Place(behind="https://talk.example.org").open_to_others


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ("--host 0.0.0.0", "--certificate"),
        ("--behind http://talk.example.org", "https://"),
        ("--certificate cert.pem", "both"),
        ("--host 0.0.0.0 --certificate no.pem --key no.pem", "no certificate"),
        ("--behind https://talk.example.org --token-file no-such-file", "cannot be read"),
        ("--conversations 0", "--conversations"),
        ("--model no-such-model.gguf", "no-such-model.gguf"),
    ],
)
def test_a_mistake_is_one_line(arguments: str, why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--no-open", *arguments.split()]) != 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("echoless:")]
    assert len(lines) == 1 and why in lines[0] and "should not have happened" not in lines[0], lines


def test_a_short_token_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    assert main(["serve", "--no-open", "--behind", "https://x.example", "--token-file", str(tmp_path / "token")]) != 0
    assert "24" in capsys.readouterr().err


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    files[1].write_bytes(key.private_bytes(pem, pkcs8, plain))
    return files


async def test_served_to_others_with_tls_a_link_lets_in_once(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def prepare(self: Sessions) -> None:
        return None

    monkeypatch.setattr(Sessions, "prepare", prepare)
    place = Place("0.0.0.0", 0, *certificate)
    trusting = ssl.create_default_context(cafile=str(certificate[0]))
    async with Serving(Settings(), place, Terms(), names=("localhost",), reply=lambda text: "x") as serving:
        assert serving.url.startswith("https://localhost:") and serving.admission is not None
        code = serving.admission.link()
        jar = aiohttp.CookieJar()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting), cookie_jar=jar) as http:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.ws_connect(serving.url + "/talk", origin=serving.url)
            async with http.post(serving.url + "/enter", json={"code": code}) as response:
                assert response.status == 200 and response.cookies[COOKIE]["secure"]
                assert "Strict-Transport-Security" in response.headers
            async with http.ws_connect(serving.url + "/talk", origin=serving.url) as ws:
                assert not ws.closed
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as other:
                response = await other.post(serving.url + "/enter", json={"code": code})
                assert response.status == 401


def test_no_voice_is_kept_unless_asked_and_then_one_folder_a_conversation(tmp_path: Path) -> None:
    def settings_of(session: Session) -> Settings:
        return session._settings

    assert settings_of(Serving(Settings())._session()).record is None
    asked = Serving(Settings(record=tmp_path / "calls"))
    folders = {settings_of(asked._session()).record for _ in range(3)}
    assert len(folders) == 3 and {folder.parent for folder in folders if folder} == {tmp_path / "calls"}


def test_talking_without_a_sound_card_leads_to_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    from echoless import conversation
    from echoless.settings import load

    served: list[Settings] = []
    monkeypatch.setattr(conversation, "no_sound_card", lambda: "There is no sound card here.")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("echoless.serve.command.desktop_browser", lambda: True)
    monkeypatch.setattr("echoless.serve.command.hold_in_browser", lambda settings: served.append(settings) or 0)
    assert conversation.converse(load()) == 0
    assert len(served) == 1


def test_there_is_no_browser_where_there_is_no_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not desktop_browser()
