"""Gives a whole data set another tone colour, where torch is (`workshop/elsewhere.py`); goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from echoless.ears.voiceprint import Encoder, mean, similarity, speech_of
from echoless.frames import RATE, Samples
from echoless.workshop.voice.dataset import About, DataSet
from echoless.workshop.voice.openvoice import LICENCE, Converter
from echoless.workshop.voice.ready import spoken_in
from echoless.workshop.voice.studio import save
from echoless.workshop.voiceprint.sound import read

Tell = Callable[[str], None]


def recolour(
    base: DataSet, like: list[Path], out: Path, converter: Converter, right: str, tell: Tell = lambda what: None
) -> tuple[float, float]:
    """Make `out` from `base` in the voice of `like`; similarity to that voice before and after.

    `right` says by what right that voice is used, and is kept. Raises WorkshopError.
    """
    theirs = spoken_in(like, ", ".join(map(str, like)))
    ours = spoken_in([base.wav(line) for line in base.lines[:40]], str(base.folder))
    source, target = converter.colour(ours), converter.colour(theirs)
    about = About(
        base.about.language,
        f"the voice of {', '.join(path.name for path in like)}",
        f"as agreed with that person; the sentences: {base.about.licence}",
        synthetic=True,
        steps=[*base.about.steps, f"recoloured by {LICENCE}, checkpoint {converter.sha256()[:16]}; {right}"],
    )
    made = DataSet.create(out, about)
    there = {each.id for each in made.lines if made.wav(each).is_file()}
    for number, line in enumerate(base.lines, 1):
        if line.id not in there:
            sound = converter.convert(read(base.wav(line), converter.rate), source, target)
            save(made.wav(line), sound, converter.rate)
            made.add(line)
        if number % 10 == 0 or number == len(base.lines):
            tell(f"{number} of {len(base.lines)}")
    return _likeness(base, theirs), _likeness(made, theirs)


def _likeness(data: DataSet, voice: Samples) -> float:
    encoder = Encoder()
    found = []
    for line in data.lines[:20]:
        speech = speech_of(read(data.wav(line)))
        if len(speech) >= RATE:
            found.append(encoder.embed(speech))
    return similarity(mean(found), encoder.embed(voice)) if found else 0.0
