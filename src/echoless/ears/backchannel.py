"""What a short utterance does while the agent talks: nothing much, tell it to stop, or say something.

Backchannels (Yngve, 1970) keep the other talking: "uh-huh", "right", 嗯. They must not take the floor; "stop",
"wait", 等一下 must, at once. The lists hold what people say and what recognisers make of it.
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

from echoless.ears.words import alike, alike_in_one, is_han, tokens


class Said(StrEnum):
    """The kinds of utterance."""

    NOTHING = "nothing"
    BACKCHANNEL = "backchannel"
    STOP = "stop"
    CONTENT = "content"


def _phrases(*lines: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(tokens(phrase)) for line in lines for phrase in line.split(";"))


_BACKCHANNEL = _phrases(
    "uh-huh; uh huh; uhuh; uhhuh; ah-ha; aha; uh-hum; huh; mm-hm; mm-hmm; mmhm; mhm; mhmm; mm; mmm; mmmm; hm; hmm",
    "hmmm; m-hm; um-hum; um-hmm; uh-hmm; yeah; yea; ya; yep; yup; yes; ok; okay; okey; k; o k; right; alright",
    "all right; I see; I c; ic; I know; oh; ooh; ah; aah; oh I see; wow; whoa; woah; really; sure; indeed; exactly",
    "true; that's true; that's right; got it; gotcha; of course; cool; nice; great; good; perfect; wonderful; amazing",
    "interesting; very good; oh really; oh wow; oh nice; oh my; oh my god; my god; no way; no problem; no worries",
    "fair enough; makes sense; that makes sense; I understand; understood; absolutely; definitely; totally",
    "for sure; go on; go ahead; keep going; please go on; carry on; haha; ha; ha ha; heh; fine; very nice",
    "awesome; lovely; oh no",
)
_HESITATION = _phrases("um; umm; uh; uhm; er; erm; eh; hm; ah; oh")
_OPENING = _phrases("well; like; so; you know; I mean")
"""Words that say nothing yet, but with which somebody takes the floor."""
_FILLER = _HESITATION | _OPENING
_STOP = _phrases(
    "stop; stop it; stop that; stop talking; please stop; stop please; stop now; stop speaking; stop stop; wait",
    "wait a minute; wait a second; wait a moment; wait wait; hold on; hold it; hold up; hang on; one moment",
    "just a moment; one second; just a second; one minute; just a minute; a moment please; no; nope; nah; no no",
    "no stop; no wait; not now; shut up; be quiet; quiet; quiet please; silence; hush; shush; shh; enough",
    "that's enough; that is enough; that will do; that'll do; cancel; cancel that; never mind; nevermind",
    "forget it; pause; excuse me; sorry; let me speak; let me talk; let me finish; listen; listen to me; hey",
    "halt; I have a question; question; that's wrong; that's not right; that is wrong; that's not what I asked",
    "not that; okay stop; ok stop; I don't care",
)
_SOFTENER = _phrases(
    "please; now; okay; ok; right; there; for me; for a second; for a moment; hey; oh; uh; um; thanks",
)
_HAN_BACKCHANNEL = _phrases(
    "嗯; 嗯嗯; 唔; 哦; 噢; 喔; 啊; 呃; 额; 诶; 哎; 哈; 哈哈; 对; 对对; 对对对; 对啊; 对呀; 对的; 没错; 是",
    "是的; 是啊; 是呀; 是吗; 好; 好的; 好啊; 好呀; 好吧; 好好; 行; 行啊; 可以; 嗯好; 嗯对; 嗯是的; 哦好; 哦好的",
    "明白; 明白了; 知道了; 我知道; 我知道了; 懂了; 我懂; 了解; 原来如此; 原来是这样; 这样啊; 真的; 真的吗; 真的啊; 哇",
    "哇塞; 天啊; 太好了; 不错; 厉害; 有意思; 当然; 当然了; 确实; 的确; 就是; 就是啊; 然后呢; 继续; 接着说; 你说",
    "没问题; 没事",
)
_HAN_STOP = _phrases(
    "停; 停停; 停一下; 停下; 停下来; 停止; 先停; 先停一下; 等; 等等; 等下; 等一下; 等一等; 等会; 等会儿; 等一会",
    "等一会儿; 稍等; 稍等一下; 慢着; 且慢; 不对; 不是; 不; 不不; 不不不; 不要; 不用; 不用了; 不行; 别; 别说",
    "别说了; 别讲了; 不要说了; 不要再说了; 够了; 闭嘴; 安静; 安静点; 打住; 算了; 取消; 暂停; 住口; 听我说; 我想问",
    "我有问题; 我有个问题; 打断一下; 不好意思; 对不起; 喂; 错了; 你错了",
)
_HAN_SOFTENER = _phrases(
    "请; 吧; 啊; 呀; 了; 嗯; 哦; 好; 好了; 先; 你; 一下; 我说",
)
_FIRST = _phrases("stop; wait; hold on; hang on; 停; 等等; 等一下")
"""What stops the agent however it goes on: the rest is often misheard ("wait on it" for "wait a minute")."""
_SOME = 4
"""Words that such a command has at most."""
_ASKED = frozenset(["what", "why", "who", "whose", "when", "where", "which", "how"])
_NEAR, _NEARER, _LONG = (0.6, 0.53), 0.16, 7
"""How much one word, and more than one, are like a nod that was misheard; and how much less like a command. One word
needs so many letters: what is left of a command is short, and like any short word."""
LONGEST = 6
"""Words (Mandarin: characters) beyond which an utterance is content, whatever it is made of."""


def kind(text: str, language: str | None = None) -> Said:
    """What `text` does while the agent talks. `language` (ISO 639-1) settles texts without letters of their own.

    "Stop" and its like in one word may be misheard by a sound or so ("stopp", "wayt"); backchannels are matched
    exactly, because what is mistaken for one is never answered.
    """
    words = tokens(text)
    if not words:
        return Said.NOTHING
    han = is_han(text)
    stops, softeners = (_HAN_STOP, _HAN_SOFTENER) if han else (_STOP, _SOFTENER)
    nods = _HAN_BACKCHANNEL if han else _BACKCHANNEL | _HESITATION
    if len(words) <= (2 * LONGEST if han else LONGEST):
        if _made_of(words, nods):
            return Said.BACKCHANNEL
        if _made_of(words, stops | softeners | nods) and _holds(words, stops):
            return Said.STOP
        if len(words) <= _SOME and any(tuple(words[:size]) in _FIRST for size in (1, 2)):
            return Said.STOP
    if len(words) == 1 and not han and any(len(each) == 1 and _misheard(words[0], each[0]) for each in stops):
        return Said.STOP
    return Said.CONTENT


@lru_cache(maxsize=256)
def nod_misheard(text: str) -> bool:
    """Whether a short text that is no nod sounds like one ("Forlery" for "oh really"), and less like any command."""
    words = tokens(text)
    if not words or len(words) > _SOME or is_han(text) or not _ASKED.isdisjoint(words) or _holds(words, _OPENING):
        return False
    if len(words) == 1 and len(words[0]) < _LONG:
        return False
    nod = _most_alike(words, _BACKCHANNEL)
    return nod >= _NEAR[len(words) > 1] and nod - _most_alike(words, _STOP) >= _NEARER


def _most_alike(words: list[str], phrases: frozenset[tuple[str, ...]]) -> float:
    """The likeness, 0..1, of what sounds and is spelled most like `words`, taken as one word."""
    return max(alike_in_one(words, phrase) for phrase in phrases)


def only_filler(text: str) -> bool:
    """Whether `text` is nothing but hesitation ("um, well, you know"): the speaker has not begun yet."""
    words = tokens(text)
    fillers = _phrases("嗯; 呃; 额; 那个; 这个; 就是; 啊; 哦") if is_han(text) else _FILLER
    return bool(words) and _made_of(words, fillers)


def _made_of(words: list[str], phrases: frozenset[tuple[str, ...]]) -> bool:
    """Whether `words` can be cut into `phrases` without remainder."""
    reached = [True] + [False] * len(words)
    for end in range(1, len(words) + 1):
        reached[end] = any(
            reached[end - size] and tuple(words[end - size : end]) in phrases for size in range(1, min(end, 7) + 1)
        )
    return reached[-1]


def _holds(words: list[str], phrases: frozenset[tuple[str, ...]]) -> bool:
    sizes = range(1, 7)
    return any(tuple(words[at : at + size]) in phrases for size in sizes for at in range(len(words) - size + 1))


def _misheard(word: str, command: str) -> bool:
    """One long word that sounds like a command of four letters or more and begins alike."""
    return (
        len(command) >= 4
        and word[0] == command[0]
        and abs(len(word) - len(command)) <= 1
        and alike(word, command) > 0.85
    )
