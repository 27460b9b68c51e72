"""`echoless voice`: record, check, synthesise, recolour, train, export, say."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

from echoless.workshop.elsewhere import VOICE
from echoless.workshop.voice.dataset import About, DataSet
from echoless.workshop.voice.errors import WorkshopError
from echoless.workshop.voice.shapes import SHAPES

app = typer.Typer(add_completion=False, no_args_is_help=True, help="A voice of your own: record, recolour, train.")
_Data = Annotated[Path, typer.Argument(metavar="DATA", help="A data set in LJSpeech's format.")]

_UNHEARD = "loudspeaker.tmp"
"""A call over files writes what it plays, which is nothing here."""


def _tell(what: str) -> None:
    typer.echo(what, err=True)


def _elsewhere(*arguments: object) -> bool:
    """Run this command where torch is; False where that is here."""
    code = VOICE.run(["voice", *map(str, arguments)])
    if code:
        raise typer.Exit(code)
    return code is not None


@app.command()
def record(
    script: Annotated[str, Option("--script", metavar="en|zh|FILE", help="What is read out.")] = "en",
    out: Annotated[Path, Option("--out", metavar="DATA", help="The data set.")] = Path("mine"),
    language: Annotated[str | None, Option(help="Of a script of your own.")] = None,
    speaker: Annotated[str, Option(help="Whose voice it is.")] = "",
    device: Annotated[str | None, Option(help="Sound card: number or part of its name.")] = None,
    microphone: Annotated[Path | None, Option(help="A WAV in place of the microphone; nothing is asked.")] = None,
) -> None:
    """Read sentences out, one by one. Begins with a spoken consent, goes on where it stopped."""
    from echoless.workshop.voice.studio import Studio, read_prompts
    from echoless.workshop.voice.studio import record as take_all

    prompts = read_prompts(script)
    data = DataSet.create(out, About(language or (script if script in ("en", "zh") else "en"), speaker))

    async def run() -> int:
        line = _line(device, microphone, out)
        await line.open()
        try:
            studio = Studio(line, _meter)
            return await take_all(data, prompts, studio, _show, _keep if microphone else _ask)
        finally:
            await line.aclose()
            if microphone:
                (out / _UNHEARD).unlink(missing_ok=True)

    kept = asyncio.run(run())
    typer.echo(
        f"{kept} recorded, {len(data.lines)} of {len(prompts)} are there: {out}. Next: echoless voice check {out}"
    )


def _line(device: str | None, microphone: Path | None, out: Path) -> Any:
    if microphone:
        from echoless.lines.files import FileLine

        return FileLine(microphone, out / _UNHEARD, "fast")
    from echoless.lines.soundcard import SoundCardLine
    from echoless.settings import load

    return SoundCardLine(*load({"device": device}).settings.devices, on_trouble=_tell)


def _show(text: str, number: int, count: int) -> None:
    where = f"{number} of {count}" if number else "first, your consent"
    _tell(f"\n[{where}]  {text}")


def _meter(peak: float) -> None:
    if sys.stderr.isatty():
        bar = "#" * min(30, round(30 * peak**0.5))
        sys.stderr.write(f"\r  {bar:<30}{' too loud' if peak > 0.98 else '         '}\r")
        sys.stderr.flush()


def _keep(row: Any, take: Any, faults: list[str]) -> str:
    _tell(f"  {take.quality.seconds:.1f} s{': ' + '; '.join(faults) if faults else ''}")
    return "keep"


def _ask(row: Any, take: Any, faults: list[str]) -> str:
    _keep(row, take, faults)
    usual = "r" if faults else ""
    keys = {"": "keep", "k": "keep", "r": "again", "s": "skip", "q": "quit"}
    told = "Enter: again, k keep" if faults else "Enter: keep, r again"
    while True:
        answer = typer.prompt(
            f"  {told}, s skip, q quit", default=usual, show_default=False, prompt_suffix=" ", err=True
        )
        if answer.strip().lower() in keys:
            return keys[answer.strip().lower()]


@app.command()
def check(
    data: _Data,
    words: Annotated[bool, Option(help="Hold the words against the recogniser's.")] = True,
) -> None:
    """Silence, loudness, clipping, noise, reverberation, words: a report, and what to record again."""
    from echoless.catalogue import pulled
    from echoless.ears.choose import open_recogniser
    from echoless.workshop.voice import check as checking

    found = DataSet.open(data)
    recogniser = open_recogniser(language=found.about.language, find=pulled) if words else None
    report = checking.check(found, recogniser, _tell)
    typer.echo(report.text())
    _tell(str(checking.write(report, data)))
    raise typer.Exit(1 if report.again else 0)


@app.command()
def synthesise(
    voice: Annotated[str, Option("--voice", help="espeak:..., flite:..., or a Piper voice.")],
    out: Annotated[Path, Option("--out", metavar="DATA", help="The data set.")],
    script: Annotated[str, Option("--script", metavar="en|zh|FILE")] = "en",
    licence: Annotated[str, Option(help="Of that voice: read its card.")] = "that of the voice; see its card",
    language: Annotated[str | None, Option(help="Of a script of your own.")] = None,
) -> None:
    """Have a voice read a script: something to recolour, or to try the machinery with."""
    import numpy as np

    from echoless.catalogue import pulled
    from echoless.voice.choose import open_voice
    from echoless.workshop.voice.dataset import Line
    from echoless.workshop.voice.studio import read_prompts, save

    prompts, language = read_prompts(script), language or (script if script in ("en", "zh") else "en")
    speaks = open_voice(voice, language, find=pulled)
    about = About(
        language, f"{speaks.traits.name} ({voice})", licence, synthetic=True, steps=[f"synthesised by {voice}"]
    )
    data = DataSet.create(out, about)
    for number, prompt in enumerate(prompts, 1):
        row = Line(f"{language}{number:04d}", prompt)
        if not data.wav(row).is_file():
            sound = np.concatenate([chunk.samples for chunk in speaks.speak(prompt)])
            save(data.wav(row), np.clip(sound, -1, 1), speaks.traits.rate)
        data.add(row)
    speaks.close()
    typer.echo(f"{len(data.lines)} sentences by {voice}: {out}")


@app.command()
def recolour(
    base: _Data,
    like: Annotated[list[Path], Option("--like", metavar="WAV", help="The voice it shall have; several help.")],
    out: Annotated[Path, Option("--out", metavar="DATA", help="The new data set.")],
    converter: Annotated[Path | None, Option(metavar="DIR", help="config.json and checkpoint.pth.")] = None,
    agreed: Annotated[bool, Option("--agreed", help="The speaker of --like has agreed to it.")] = False,
) -> None:
    """Give a data set the tone colour of another voice (OpenVoice V2)."""
    from echoless.catalogue import models_dir
    from echoless.workshop.voice.ready import ready_to_recolour

    if not agreed:
        typer.confirm("Is this your own voice, or has its speaker agreed to being copied?", abort=True, err=True)
    place = converter or models_dir()
    ready_to_recolour(DataSet.open(base), like, place)
    likes = [part for path in like for part in ("--like", path)]
    if _elsewhere("recolour", base, *likes, "--out", out, "--converter", place, "--agreed"):
        return
    from echoless.workshop.voice.openvoice import LICENCE, Converter
    from echoless.workshop.voice.recolour import recolour as run

    network = Converter(place)
    _tell(f"converter: {network.checkpoint}, sha256 {network.sha256()}, {LICENCE}")
    right = "whoever ran this stated that the speaker agreed"
    before, after = run(DataSet.open(base), like, out, network, right, _tell)
    typer.echo(f"{out}: similarity to {', '.join(p.name for p in like)} was {before:.2f} and is {after:.2f}")


@app.command()
def train(
    data: _Data,
    quality: Annotated[str, Option(metavar="|".join(SHAPES), help="x-low 21 MB, low and medium 64 MB.")] = "x-low",
    start: Annotated[Path | None, Option("--from", metavar="CHECKPOINT", help="Take over its weights.")] = None,
    out: Annotated[Path | None, Option("--out", metavar="RUN", help="Else out/voice/DATA-QUALITY.")] = None,
    steps: Annotated[int, Option(min=1, help="Stop after so many.")] = 50_000,
    batch: Annotated[int, Option(min=1, max=256, help="Recordings a step.")] = 16,
    every: Annotated[int, Option(min=1, help="Steps between checkpoints with samples.")] = 500,
    seed: Annotated[int, Option(min=0)] = 1,
) -> None:
    """Train with Piper's own trainer; the same command again goes on. On CUDA where there is one."""
    from echoless.workshop.voice.ready import ready

    if quality not in SHAPES:
        raise typer.BadParameter(f"--quality is {', '.join(SHAPES)}, not {quality!r}")
    run = out or Path("out") / "voice" / f"{data.resolve().name}-{quality}"
    ready(DataSet.open(data), run, quality)
    given: list[object] = ["--quality", quality, "--out", run, "--steps", steps, "--batch", batch, "--every", every]
    if start:
        given += ["--from", start]
    if _elsewhere("train", data, *given, "--seed", seed):
        return
    from echoless.workshop.voice.trainer import Plan
    from echoless.workshop.voice.trainer import train as go

    go(Plan(str(data), quality, steps, batch, every, seed), run, start)
    typer.echo(f"{run}: listen to samples/, look at losses.png. Next: echoless voice export {run}")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder of 'echoless voice train'.")],
    name: Annotated[str | None, Option(help="What the voice is called; else the run's name.")] = None,
    out: Annotated[Path | None, Option("--out", metavar="DIR", help="Else the run's folder.")] = None,
) -> None:
    """Write NAME.onnx, NAME.onnx.json, samples and a card, and check that Piper speaks with it."""
    called, place = name or run.resolve().name, out or run
    if _elsewhere("export", run, "--name", called, "--out", place):
        return
    from echoless.workshop.voice.export import export as go

    made = go(run, called, place)
    alike = "no speech in it yet" if made.alike is None else f"likeness {made.alike:.2f}"
    typer.echo(f"{made.onnx}: step {made.step}, real-time factor {made.factor:.3f}, {alike}")
    typer.echo(f"Try it: echoless voice say {made.onnx} 'Hello' / echoless talk --tts-model {made.onnx}")


@app.command()
def say(
    name: Annotated[str, typer.Argument(help="A voice: NAME.onnx, espeak:..., flite:...")],
    text: Annotated[str, typer.Argument(help="What it says.")],
    out: Annotated[Path | None, Option("--out", metavar="WAV", help="Into a file, not to the loudspeaker.")] = None,
    language: Annotated[str, Option(help="Of the text.")] = "en",
) -> None:
    """Have a voice say something."""
    import numpy as np

    from echoless.catalogue import pulled
    from echoless.voice.choose import open_voice
    from echoless.workshop.voice.studio import save

    voice = open_voice(name, language, find=pulled)
    try:
        chunks = [chunk.samples for chunk in voice.speak(text)]
    finally:
        voice.close()
    if not chunks:
        raise WorkshopError(f"{name} finds nothing to say in {text[:40]!r}")
    sound = np.clip(np.concatenate(chunks), -1, 1)
    if out:
        save(out, sound, voice.traits.rate)
        typer.echo(f"{out}: {len(sound) / voice.traits.rate:.1f} s")
        return
    _play(sound, voice.traits.rate)


@app.command()
def judge(
    names: Annotated[list[str], typer.Argument(metavar="VOICE...", help="NAME.onnx, espeak:..., flite:...")],
    count: Annotated[int, typer.Option(min=5, help="Sentences.")] = 40,
    language: Annotated[str, Option(help="Of the sentences: en or zh.")] = "en",
) -> None:
    """How well a recogniser understands voices, and how quick they are."""
    from echoless.catalogue import pulled
    from echoless.ears.choose import open_recogniser
    from echoless.voice.choose import open_voice
    from echoless.workshop.voice.judge import judge as hear
    from echoless.workshop.voice.judge import sentences, table

    if language not in ("en", "zh"):
        raise typer.BadParameter(f"--language is en or zh, not {language!r}")
    recogniser, texts, rows = open_recogniser(language=language, find=pulled), sentences(language, count), []
    for name in names:
        _tell(f"{name} says {len(texts)} sentences")
        voice = open_voice(name, language, find=pulled)
        try:
            rows.append(hear(name, voice, recogniser, language, texts))
        finally:
            voice.close()
    recogniser.close()
    typer.echo(table(rows))


def _play(sound: Any, rate: int) -> None:
    try:
        import sounddevice

        sounddevice.play(sound, rate, blocking=True)
    except (OSError, RuntimeError) as error:  # no PortAudio here
        raise WorkshopError(f"no loudspeaker can be used ({error}): give --out FILE.wav") from None
    except Exception as error:  # sounddevice's own kind, known only where PortAudio is
        raise WorkshopError(f"no loudspeaker can be used ({error}): give --out FILE.wav") from None
