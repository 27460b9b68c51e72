"""deploy/: what is written there exists. No container is started here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from echoless.livekit.command import app as room_app
from echoless.livekit.serve import app
from echoless.livekit.server import binary, missing
from echoless.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_everything_is_there_and_watched(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {"livekit", "redis", "worker", "llama", "mind"} <= set(services)
    for name, service in services.items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["restart"] == "unless-stopped", name
        for other, how in service.get("depends_on", {}).items():
            assert other in services and how["condition"] == "service_healthy"


def test_only_livekit_can_be_reached_from_outside(compose: dict[str, Any]) -> None:
    assert {name for name, service in compose["services"].items() if "ports" in service} == {"livekit"}


def test_the_workers_command_is_one(compose: dict[str, Any]) -> None:
    """The command parses as the real command line does, and every option exists."""
    words = compose["services"]["worker"]["command"]
    assert words[0] == "worker"
    command = typer.main.get_command(app)
    context = command.make_context("worker", list(words[1:]))
    assert context.params["livekit_url"] == "ws://livekit:7880" and context.params["health_host"] == "0.0.0.0"
    assert int(compose["services"]["worker"]["stop_grace_period"].removesuffix("s")) > context.params["drain"]


@pytest.mark.parametrize("commands", [app, room_app])
def test_an_option_with_a_settings_name_is_that_setting(commands: typer.Typer) -> None:
    """Nothing else may be called so: what is given goes into the settings, and None leaves them alone."""
    options = typer.main.get_command(commands).params
    assert {each.name for each in options if each.name in Settings.model_fields} >= {"language", "patience"}
    assert [each.name for each in options if each.name in Settings.model_fields and each.default is not None] == []


def test_ports_and_names_belong_together(compose: dict[str, Any]) -> None:
    services = compose["services"]
    livekit = yaml.safe_load((DEPLOY / "livekit.yaml").read_text())
    opened = {each.split("/")[0].partition(":")[2] for each in services["livekit"]["ports"]}
    assert opened == {str(livekit["port"]), str(livekit["rtc"]["tcp_port"]), str(livekit["rtc"]["udp_port"])}
    assert livekit["redis"]["address"].partition(":")[0] in services
    words = services["worker"]["command"]
    for option in ("--livekit-url", "--llm-url"):
        host = re.match(r"\w+://(\w+):\d+", words[words.index(option) + 1])
        assert host and host[1] in services
    assert "server llama:8080" in (DEPLOY / "mind.conf").read_text()


def test_files_that_are_mounted_or_built_exist(compose: dict[str, Any]) -> None:
    for name in ("livekit", "mind"):
        for volume in compose["services"][name]["volumes"]:
            assert (DEPLOY / volume.split(":")[0]).is_file()
    for line in (DEPLOY / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY"):
            assert all((ROOT / each).exists() for each in line.split()[1:-1]), line


def test_the_image_fetches_models_as_whoever_will_read_them() -> None:
    """What root pulls lies in root's folder, and conversations would do without it, silently."""
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    pulls = [k for k, line in enumerate(lines) if "echoless pull" in line]
    assert pulls and min(pulls) > lines.index("USER echoless")


def test_secrets_are_asked_for_and_not_there(compose: dict[str, Any]) -> None:
    for line in (DEPLOY / "example.env").read_text().splitlines():
        assert not line.startswith(("LIVEKIT_API_KEY=", "LIVEKIT_API_SECRET=")) or line.endswith("=")
    assert "put it into deploy/.env" in compose["services"]["worker"]["environment"]["LIVEKIT_API_SECRET"]


def test_the_server_takes_this_configuration(tmp_path: Path) -> None:
    """The real server reads our file; without redis it gets that far and no farther."""
    import subprocess

    if why := missing():
        pytest.skip(why)
    written = (DEPLOY / "livekit.yaml").read_text().replace("redis:6379", "127.0.0.1:1")
    (tmp_path / "livekit.yaml").write_text(written)
    command = [str(binary()), "--config", str(tmp_path / "livekit.yaml"), "--keys", f"key: {'s' * 40}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    assert "127.0.0.1:1" in said and "refused" in said, said[-500:]
