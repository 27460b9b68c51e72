"""Is somebody cutting in? The decision taken while the agent holds its breath. Pure.

The loudspeaker fell silent when the agent ducked, so after the echo's delay and the room's tail whatever is
still voiced can only be a person: that evidence beats all other. Words count where there is no time to wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from echoless.ears.backchannel import Said
from echoless.ears.manner import Manner


class Verdict(StrEnum):
    WAIT = "wait"
    INTERRUPTION = "interruption"
    ECHO = "echo"
    BACKCHANNEL = "backchannel"
    NOISE = "noise"


@dataclass(frozen=True, slots=True)
class Weights:
    """Limits of the decision; times in blocks of 16 ms."""

    free_sure: int = 14
    """Voiced blocks, with no echo possible, that prove a person."""
    long_speech: int = 52
    """Voiced blocks no backchannel lasts for."""
    sure: float = 0.78
    """Mean probability of near-end speech, over a stretch that is over, which echo alone does not reach."""
    free_some: int = 5
    """Voiced blocks, with no echo possible, that speak for a person together with their words."""
    some_speech: int = 14
    """Voiced blocks that a word needs at least."""
    content: int = 46
    """Voiced blocks that words of no command need, unless they are over and were clearly spoken."""
    spoken: float = 0.82
    """Mean probability of near-end speech that a short word which nobody made sense of needs."""
    guess: int = 12
    """Voiced blocks that a command needs which is guessed at, or has nothing after the echo."""
    guessed: float = 0.75
    """Mean probability of near-end speech that it needs."""
    commanding: float = 0.6
    """Probability by its sound alone that a word is a command, from which on it needs nothing after the echo."""
    hinted: float = 0.3
    """The same that two words and more need to be a command misheard, where all after the echo may be the room."""
    surely: float = 0.75
    """The same that a command needs which has hardly anything after the echo, and where the guard is unsure."""
    rather: float = 0.45
    """The same that a command needs which is guessed at and has nothing after the echo."""
    nothing_else: float = 0.9
    """The same, from which on it is one whatever is written: what is left of an echo hardly ever is."""
    believed: float = 0.8
    """Mean probability of near-end speech that a command needs which has nothing after the echo, and no such sound."""
    plain: float = 0.6
    """Mean probability of near-end speech that a command needs whose sound is nothing else, or bears its words out."""
    known: float = 0.85
    """Mean probability of near-end speech that a command or a short word needs where the echo is not known yet."""
    lasting: int = 2
    """Voiced blocks of it that must come when the direct sound of the agent's echo is over."""
    quiet: int = 12
    """Blocks of silence after which what was heard is over."""
    over: int = 8
    """Blocks of silence after which what the guard was never sure of is over: no words are waited for."""
    faint: float = 3.5
    """Evidence (`Listener.strength`) under which a stretch was hardly a beginning: the agent need not wait."""
    blink: int = 6
    """Blocks of silence after which it goes on then."""
    toneless: float = 0.2
    """Mean probability of speech, anybody's, that whoever speaks reaches: late reverberation does not."""
    soon: int = 16
    """Blocks after which it has been."""
    doubtful: float = 0.72
    """Mean probability of near-end speech under which a stretch with no free voice was echo."""
    dither: int = 24
    """Blocks after which the guard must have been sure of it."""
    unsure: float = 0.7
    """Mean probability of near-end speech under which it was not by then."""
    unsure_after: float = 0.65
    """The same where it went on after the direct sound of the agent's echo."""
    steady: float = 0.8
    """Share of the blocks that are voiced from which on somebody speaks on: the agent keeps waiting, however unsure."""
    echo_share: float = 0.6
    """Share of the words that were just being played, from which on they are the agent's own."""
    echo_word: float = 0.9
    """The same for a command, or a single word, that was clearly spoken: one short word is easily a bit like one being
    played ("stop", "sap")."""
    mangled: int = 90
    """Voiced blocks that words need which may all be the echo of a loudspeaker far away."""
    patience: int = 160
    """Blocks after which the agent goes on unless somebody really speaks."""
    slow: int = 560
    """The same where somebody has spoken and the words are not known yet: a busy machine takes its time with them."""


@dataclass(frozen=True, slots=True)
class Case:
    """The evidence so far. `share` is the part of the words that the agent was saying at that very time, `sure` the
    mean probability of near-end speech over the voiced blocks."""

    age: int
    voiced: int
    free: int
    silence: int
    echo: bool
    kind: Said | None = None
    """None while the words are not known."""
    final: bool = False
    """The words are those of the whole stretch of speech."""
    share: float = 0.0
    sure: float = 0.0
    manner: Manner | None = None
    """How it was made; None while that is not known."""
    nod: bool = False
    """The words sound like a misheard nod."""
    guessed: bool = False
    """The words are no command, but what was heard is likelier one than a nod."""
    commands: float = 0.0
    """The probability that it is a command, by the sound alone; 0 where that is not asked for."""
    words: int = 2
    """How many they are."""
    guarded: bool = False
    """The guard does not know this echo well yet."""
    late: int = 0
    """Voiced blocks into which at most the tail of an echo can have sounded."""
    risen: int = 0
    """Those of them in which the level was higher than before, since the direct sound was over: no tail is."""
    strength: float = 9.0
    """Evidence summed over the voiced blocks."""
    lingers: bool = False
    """The room reverberates for long."""
    tone: float = 1.0
    """The mean probability of speech, anybody's, over the voiced blocks."""
    far: bool = False
    """The loudspeaker is far away: its echo comes late, or as what a canceller there left of it."""

    @property
    def after(self) -> int:
        """Voiced blocks after the direct sound of any echo."""
        return max(self.free, self.late)


def weigh(case: Case, weights: Weights) -> Verdict:
    """What to do about somebody perhaps cutting in."""
    ended = case.silence >= weights.quiet
    proven = case.free >= weights.free_sure
    ours = own_words(case, weights)
    if nobody := _nobody(case, weights):
        return nobody
    if ours and case.age <= weights.patience:
        return Verdict.ECHO if case.final or (ended and not _outlasts_the_echo(case, weights)) else Verdict.WAIT
    if _commands(case, weights) or (case.kind is Said.CONTENT and _carries(case, weights)):
        return Verdict.INTERRUPTION
    if ended and case.final:
        return _of_what_is_over(case, weights)
    if proven and case.voiced >= weights.long_speech:
        return Verdict.INTERRUPTION
    if case.age <= (weights.slow if proven and ended and not case.final else weights.patience):
        return Verdict.WAIT
    return Verdict.INTERRUPTION if proven and not ended else Verdict.NOISE


def _commands(case: Case, weights: Weights) -> bool:
    """Whether it is a command that rests on enough."""
    sounds_otherwise = bool(case.commands) and _tails_off(case, weights)
    return case.kind is Said.STOP and not (sounds_otherwise or _unheard_of(case, weights) or _rash(case, weights))


def _nobody(case: Case, weights: Weights) -> Verdict | None:
    """What a stretch was that is over before its words matter: too short, too faint, no speech, never sure, or nothing
    that any words would make a turn of."""
    ended = case.silence >= weights.quiet
    if plain(case, weights):
        return None
    if toneless(case, weights) or (faint(case, weights) and case.silence >= weights.blink):
        return Verdict.ECHO
    if ended and case.voiced < weights.some_speech // 2:
        return Verdict.ECHO if not case.free else Verdict.NOISE
    if ended and case.voiced < weights.some_speech and not case.free and not case.late:
        return Verdict.ECHO
    if case.silence >= weights.over and _past_words(case, weights):
        return Verdict.ECHO
    over = case.silence >= weights.over and case.sure < weights.doubtful
    enough = weights.unsure_after if case.late >= weights.free_some else weights.unsure
    breaks = case.voiced < weights.steady * case.age or (case.far and _may_be_echo(case, weights))
    dithers = case.age >= weights.dither and case.sure < enough and breaks
    return Verdict.ECHO if case.echo and not case.free and (over or dithers) else None


def _past_words(case: Case, weights: Weights) -> bool:
    """Whether no words would make somebody's turn of it: it may all be the echo of a loudspeaker far away, or the rest
    of one in a room that reverberates for long, and was not surely somebody's."""
    far = case.far and _may_be_echo(case, weights) and case.voiced < weights.mangled
    rest = case.lingers and not case.after and case.voiced < weights.content
    return (far or rest) and case.sure < weights.known


def own_words(case: Case, weights: Weights) -> bool:
    """Whether words are the agent's own: enough of them were being played just then, and no free voice proves a
    person."""
    clear = (case.kind is Said.STOP or _alone(case, weights)) and case.sure >= weights.sure
    if clear and case.commands >= weights.commanding:
        return False
    return case.free < weights.free_sure and case.share >= (weights.echo_word if clear else weights.echo_share)


def echo_tail(case: Case, weights: Weights) -> bool:
    """Whether a few words after the agent's last one are what the room made of it: nothing free, hardly anything after
    the echo's direct sound, or nothing that rose, and no sureness that would speak for a person."""
    few = not case.free and case.voiced < weights.content
    fell = not case.risen and case.sure < weights.doubtful
    return few and (fell or (case.late < weights.free_some and case.sure < weights.known))


def toneless(case: Case, weights: Weights) -> bool:
    """Whether this is no speech at all, whatever the judge of near-end speech makes of a room's late reverberation. In
    other rooms there are people whom voice activity hardly hears over the agent."""
    return case.lingers and case.tone < weights.toneless and case.age >= weights.soon and not case.free


def _outlasts_the_echo(case: Case, weights: Weights) -> bool:
    """Whether so much came after the echo, and so surely, that the words so far are not judged by: the last ones are
    waited for, with what they lean to."""
    return case.late >= weights.free_some and case.sure >= weights.sure


def _unheard_of(case: Case, weights: Weights) -> bool:
    """A few words that may all be echo: a far end's canceller, too, lets whole words through while it learns."""
    told = _agreed(case, weights) or (_sounds_it(case, weights) and case.voiced >= weights.some_speech)
    return _may_be_echo(case, weights) and case.sure < weights.known and (case.far or not told)


def _may_be_echo(case: Case, weights: Weights) -> bool:
    """Whether the guard does not know the echo yet, and hardly anything came after it."""
    return case.guarded and case.after < weights.free_some


def _rash(case: Case, weights: Weights) -> bool:
    """Whether a command rests on too little: on nothing after the echo in a room that reverberates for long, on hardly
    anything elsewhere where neither the guard nor its sound is sure; on few blocks where nothing came after; or, where
    it is only guessed at, on few blocks, or on what may be an unknown echo."""
    nothing = case.after < weights.lasting
    if case.lingers and nothing:
        return not (_agreed(case, weights) and case.sure >= weights.known)
    blink = nothing and case.voiced < weights.guess and case.commands <= weights.nothing_else
    falls = case.after < weights.free_some and not case.risen
    if blink or (falls and case.sure < weights.believed and case.commands < weights.surely):
        return True
    if plain(case, weights):
        return False
    if case.after <= weights.free_some and case.sure < weights.believed and not by_sound(case, weights):
        return True
    if not case.guessed:
        return False
    if nothing and 0 < case.commands < weights.rather:
        return True
    return _may_be_echo(case, weights) or not (
        case.final and case.voiced >= weights.guess and case.sure >= weights.guessed
    )


def plain(case: Case, weights: Weights) -> bool:
    """A command heard to its end that sounds like one and nothing else, or is written as one and sounds like one, too:
    faint as it may be."""
    told = _sounds_it(case, weights) or _agreed(case, weights)
    return told and case.final and case.sure >= weights.plain


def _sounds_it(case: Case, weights: Weights) -> bool:
    """Whether a command sounds like one and nothing else, whatever is written."""
    return case.kind is Said.STOP and case.commands > weights.nothing_else


def _agreed(case: Case, weights: Weights) -> bool:
    """Whether what was written is a command and the sound is one, too. Hardly any echo is both (docs/log/echo.md)."""
    return not case.guessed and by_sound(case, weights)


def by_sound(case: Case, weights: Weights) -> bool:
    """Whether a command is one by its sound, too."""
    return case.kind is Said.STOP and case.commands >= weights.commanding


def _alone(case: Case, weights: Weights) -> bool:
    """A single word that went on after the direct sound of any echo."""
    return case.words == 1 and case.late >= weights.free_some


def faint(case: Case, weights: Weights) -> bool:
    """Whether there was hardly anything: no free voice, and no more than made the agent hold its breath."""
    return not case.free and case.echo and case.strength < weights.faint


def _carries(case: Case, weights: Weights) -> bool:
    """Whether words that are not the agent's own are worth believing.

    Residual echo, too, is recognised as some words or other. A person who says more than a word goes on after the
    agent has fallen silent; where the echo takes longer than that, length must do, and for a few words, which are
    over before, how sure the guard was of them. Once it is silent, the last words are waited for: a long "oh, really"
    is "Oh, we" until they come, and the agent holds its breath anyway.
    """
    short = case.voiced < weights.long_speech
    if case.voiced < weights.content or (short and (case.nod or (case.silence and not case.final))):
        return False
    if case.far and _may_be_echo(case, weights):
        return case.voiced >= weights.mangled
    if case.free >= weights.free_some or case.voiced >= weights.long_speech:
        return True
    return (
        case.final
        and case.silence >= weights.quiet
        and case.sure >= weights.sure
        and case.share < 0.5 * weights.echo_share
    )


def _of_what_is_over(case: Case, weights: Weights) -> Verdict:
    if case.kind is Said.BACKCHANNEL or (case.kind is Said.CONTENT and case.nod):
        return Verdict.BACKCHANNEL
    if (case.kind is Said.CONTENT or case.guessed) and _is_a_word(case, weights):
        return Verdict.INTERRUPTION
    return Verdict.ECHO if not case.free and case.echo else Verdict.NOISE


def _tails_off(case: Case, weights: Weights) -> bool:
    """Whether words that are no single one, and hardly a command by their sound, may be what a room made of the echo as
    it fell. The rest of nods falls like that, too."""
    may = case.free < weights.free_some and not case.risen
    return may and case.words > 1 and case.commands < weights.hinted


def _is_a_word(case: Case, weights: Weights) -> bool:
    """A short word, misheard ("Dop!" for "stop"): nods are few and mostly understood, or hummed. What an echo that is
    not known yet leaves is misheard, too, and may last as long as the room."""
    unproven = case.guarded and case.free < weights.free_some and case.commands < weights.commanding
    return (
        case.manner is Manner.WORD
        and not (unproven or _unheard_of(case, weights) or _tails_off(case, weights))
        and case.voiced >= weights.some_speech
        and case.late >= weights.lasting
        and case.share < (weights.echo_word if _alone(case, weights) else 0.5 * weights.echo_share)
        and case.sure >= (weights.sure if case.free >= weights.free_some else weights.spoken)
    )
