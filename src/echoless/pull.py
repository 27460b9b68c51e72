"""Fetch a model or a voice from the model hub: resumed where it was cut, refused where its sum is wrong.

Names and addresses are huggingface_hub's; `HF_ENDPOINT` points it at a mirror, `HF_TOKEN` at a gated model.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import huggingface_hub as hub
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers, disable_progress_bars

from echoless.catalogue import MODELS, RECOGNISERS, SPOKEN, VOICES, Entry, entry, models_dir, pulled

LARGEST_TEXT = 1 << 20
"""Bytes of a MODEL_CARD that are read."""
_OWN = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)/(?P<file>[\w.+-]+(?:/[\w.+-]+)*)")


class PullError(Exception):
    """A model cannot be fetched. One line that says what to do."""


def pull(name: str, *, sha256: str | None = None, folder: Path | None = None) -> list[Path]:
    """Fetch what `name` is: a listed model, a Piper voice, or `owner/repo/file`. The files' paths; asks nothing.

    A file that is there already, with the right sum, is not fetched again. Raises PullError.
    """
    if name == "smart-turn":
        return [_smart_turn()]
    wanted = entry(name) or _own(name)
    folder = (folder or models_dir()) / (wanted.name if wanted.beside else "")
    licence = _licence(wanted)
    print(f"{wanted.name}: {wanted.repo}, licence: {licence}", file=sys.stderr)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [_fetch(wanted.repo, wanted.file, folder, (sha256 or wanted.sha256).lower(), licence)]
        more = [*wanted.beside, *filter(None, [wanted.extra])]
        paths += [_fetch(wanted.repo, file, folder, "", licence) for file in more]
    except OSError as error:
        raise PullError(f"{error.filename or folder}: {error.strerror or error}") from None
    return paths


def _smart_turn() -> Path:
    """The turn-end model, which comes inside a wheel and not from the hub."""
    from echoless.ears import smart_turn

    print(f"smart-turn: {smart_turn.PACKAGE}, licence: {smart_turn.LICENCE}, 12 MB", file=sys.stderr)
    return smart_turn.fetch()


def listing() -> str:
    """The models that have a name, and what is here already."""
    voices = [each for each in map(entry, SPOKEN) if each is not None]
    known = (*MODELS, *voices, *RECOGNISERS)
    rows = [("name", "MB", "licence", "here")]
    rows += [(each.name, str(each.megabytes), each.licence, str(pulled(each.name) or "-")) for each in known]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:<{widths[2]}}  {d}" for a, b, c, d in rows]
    return "\n".join(
        [*lines, "", "Also smart-turn, which hears the end of a turn; any Piper voice by its name; OWNER/REPO/FILE."]
    )


def _own(name: str) -> Entry:
    match = _OWN.fullmatch(name)
    if match is None or ".." in name.split("/"):
        names = [*(each.name for each in (*MODELS, *RECOGNISERS)), *SPOKEN]
        close = [each for each in names if name.lower() in each.lower()] or difflib.get_close_matches(
            name, names, 1, 0.4
        )
        hint = (
            f"did you mean {' or '.join(close)}?" if close else "'echoless pull --list' has names; else OWNER/REPO/FILE"
        )
        raise PullError(f"no model is called {name!r}; {hint}")
    file = match["file"]
    extra = f"{file}.json" if file.endswith(".onnx") else ""
    return Entry(Path(file).name, match["repo"], file, "", 0, extra=extra)


def _fetch(repo: str, file: str, folder: Path, pin: str, licence: str) -> Path:
    """One file, checked."""
    there = folder / Path(file).name
    url = hub.hf_hub_url(repo, file, endpoint=_endpoint())
    try:
        about = hub.get_hf_file_metadata(url, endpoint=_endpoint())
    except Exception as error:  # a library's, a network's or a server's; what counts is what to do
        raise PullError(_why(error, repo, file)) from None
    sums = _sums(about.etag, pin)
    if there.exists() and all(_sum(there, kind) == value for kind, value in sums):
        _remember(there, repo, about.commit_hash, licence)
        return there
    part = folder / f".{there.name}.{(about.etag or 'x')[:16]}.part"
    begun = part.stat().st_size if part.exists() else 0
    if about.size is not None and begun > about.size:
        part.unlink()
        begun = 0
    _get(url, part, begun, about.size, repo, file)
    for kind, value in sums:
        found = _sum(part, kind)
        if found != value:
            part.unlink()
            raise PullError(f"{file}: {kind} is {found}, not {value}; deleted. Somebody changed it, or it came broken")
    if there.suffix == ".gguf" and _head(part) != b"GGUF":
        part.unlink()
        raise PullError(f"{file} is not a GGUF file; deleted")
    part.replace(there)
    _remember(there, repo, about.commit_hash, licence)
    return there


def _get(url: str, part: Path, begun: int, size: int | None, repo: str, file: str) -> None:
    if not sys.stderr.isatty():
        disable_progress_bars()
        megabytes = f"{size / 1e6:.0f} MB" if size else "unknown size"
        print(f"{Path(file).name}: {megabytes}" + (f", from {begun / 1e6:.0f} MB on" if begun else ""), file=sys.stderr)
    try:
        with part.open("r+b" if begun else "wb") as out:
            out.seek(begun)
            http_get(url, out, resume_size=begun, headers=build_hf_headers(), expected_size=size)
    except Exception as error:
        raise PullError(f"{_why(error, repo, file)}; what came is kept: run it again to go on") from None


def _sums(etag: str | None, pin: str) -> list[tuple[str, str]]:
    """What the file must add up to: our pin, else what the hub itself says of it (LFS: sha256; small: git's blob)."""
    if pin:
        if not re.fullmatch(r"[0-9a-f]{64}", pin):
            raise PullError(f"{pin!r} is not a sha256 (64 hexadecimal digits)")
        return [("sha256", pin)]
    if etag and re.fullmatch(r"[0-9a-f]{64}", etag):
        return [("sha256", etag)]
    if etag and re.fullmatch(r"[0-9a-f]{40}", etag):
        return [("git blob", etag)]
    return []


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def _sum(path: Path, kind: str) -> str:
    if kind == "git blob":
        data = path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _licence(wanted: Entry) -> str:
    """What the voice's card, our list or the model's page says. Never a reason to stop."""
    with contextlib.suppress(Exception):
        if wanted.extra and wanted.repo == VOICES:
            card = hub.hf_hub_url(wanted.repo, str(Path(wanted.file).parent / "MODEL_CARD"), endpoint=_endpoint())
            if found := re.search(r"(?im)^\W*licen[sc]e\W+(.+)$", _text(card)):
                return found[1].strip()
        if not wanted.licence:
            data: Any = hub.HfApi(endpoint=_endpoint()).model_info(wanted.repo, timeout=10).card_data
            return str(data["license"])
    return wanted.licence or "not stated"


def _text(url: str) -> str:
    response = hub.get_session().get(url, headers=build_hf_headers(), timeout=10, follow_redirects=True)
    response.raise_for_status()
    return str(response.text[:LARGEST_TEXT])


def _remember(path: Path, repo: str, revision: str | None, licence: str) -> None:
    """Where a file came from, beside it: `echoless doctor` and a call's record read it."""
    about = {"repo": repo, "revision": revision, "licence": licence, "sha256": _sum(path, "sha256")}
    path.with_name(path.name + ".from").write_text(json.dumps(about, indent=1), "utf-8")


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _why(error: Exception, repo: str, file: str) -> str:
    kind = type(error).__name__
    if kind == "GatedRepoError":
        return f"{repo} is gated: accept its licence on its page, then set HF_TOKEN"
    if kind in ("RepositoryNotFoundError", "RevisionNotFoundError"):
        return f"there is no model {repo} on the hub (or it is private: set HF_TOKEN)"
    if kind in ("EntryNotFoundError", "RemoteEntryNotFoundError"):
        return f"{repo} has no file {file}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"the hub answered {status} for {repo}/{file}"
    return f"the hub cannot be reached or broke off ({kind}); is there a network? HF_ENDPOINT names a mirror"
