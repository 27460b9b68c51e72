"""What the ears have found out so far of a stretch of speech: a case to be weighed, and evidence for the record."""

from __future__ import annotations

from math import exp

from echoless.ears.backchannel import Said, kind, nod_misheard
from echoless.ears.guard import Heard
from echoless.ears.leaning import settled
from echoless.ears.listener import Listener
from echoless.ears.turn import Known, Open
from echoless.ears.weigh import Case
from echoless.ears.words import units


def case_of(
    listener: Listener,
    turn: Open,
    known: Known | None,
    share: float,
    heard: Heard | None,
    duplex: str,
    language: str | None,
) -> Case:
    """What is to be weighed. `share`: the part of the words that the agent was saying; `heard`: the last block."""
    text = known.text if known else ""
    said = kind(text, language) if known else None
    leans = known.leaning if known else None
    what = settled(said, leans) if said and leans else said
    return Case(
        age=listener.age,
        voiced=listener.voiced,
        free=listener.free,
        silence=0 if listener.speaking else listener.silence,
        echo=bool(heard and heard.echo),
        kind=what,
        final=known is not None and known.wish.pause == turn.pause,
        share=share,
        sure=listener.sureness,
        manner=known.manner if known else None,
        nod=what is Said.CONTENT and not leans and nod_misheard(text),
        guessed=what is Said.STOP and said is not Said.STOP,
        commands=exp(leans.sound.command) if leans and leans.sound else 0.0,
        words=units(text),
        guarded=duplex != "full",
        lingers=bool(heard and heard.lingers),
        tone=listener.tone,
        far=bool(heard and heard.far),
        strength=listener.strength,
        late=listener.late,
        risen=listener.risen,
    )


def evidence_of(listener: Listener, known: Known | None, heard: Heard | None, duplex: str) -> dict[str, object]:
    """What every layer says, for `echoless show`: blocks of 16 ms, probabilities, log-probabilities."""
    found: dict[str, object] = {
        "voiced": listener.voiced,
        "free": listener.free,
        "late": listener.late,
        "risen": listener.risen,
        "strength": round(listener.strength, 2),
        "sure": round(listener.sureness, 3),
        "tone": round(listener.tone, 3),
        "duplex": duplex,
    }
    if heard:
        found |= {"near": round(heard.near, 3), "voice": round(heard.voice, 3), "echo": heard.echo}
        found |= {key: round(float(value), 3) for key, value in heard.evidence.items()}
    if known and known.spoken:
        found |= known.spoken.evidence()
    if known and known.leaning:
        found |= {"command": round(known.leaning.command, 2), "nod": round(known.leaning.nod, 2)}
        if sound := known.leaning.sound:
            found |= {"sound_command": round(sound.command, 2), "sound_nod": round(sound.nod, 2)}
    if known and known.failed:
        found["unrecognised"] = True
    return found


def waited(turn: Open, silence: float) -> dict[str, object]:
    """How long it was silent, in seconds: at the end of `turn`, when its words were known, each time it was asked."""
    known = {"words": turn.sure[0][0], "sure_at": list(turn.sure)} if turn.sure else {}
    return {"silence": round(silence, 3), **known}
