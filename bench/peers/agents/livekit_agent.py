"""livekit-agents in console mode, with the WebRTC echo canceller that this mode has, and Silero VAD; `start`: in rooms.

`--tuned` (taken out of the command line): interruptions from the first second on. By default it is deaf to them for
the first 3 s that it speaks, while its echo canceller settles.
"""

from __future__ import annotations

import asyncio
import os
import sys

from livekit import rtc
from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli, stt, tts
from livekit.plugins import openai, silero
from speech_parts import RATE, Moonshine, say

TUNED = "--tuned" in sys.argv
sys.argv = [word for word in sys.argv if word != "--tuned"]
VOICE_RATE = 22_050


class MoonshineStt(stt.STT):
    """Segments as the VAD cuts them, recognised in a thread."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self._engine = Moonshine()

    async def _recognize_impl(self, buffer, *, language=None, conn_options=None) -> stt.SpeechEvent:
        words = await asyncio.to_thread(self._engine.words, resampled(rtc.combine_audio_frames(buffer)), RATE)
        print(f"heard {words!r}", flush=True)
        said = stt.SpeechData(language="en", text=words)
        return stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[said])


def resampled(frame: rtc.AudioFrame) -> bytes:
    """The frame's samples at 16 kHz: a room's come at its own rate."""
    if frame.sample_rate == RATE:
        return bytes(frame.data)
    resampler = rtc.AudioResampler(frame.sample_rate, RATE, quality=rtc.AudioResamplerQuality.HIGH)
    return b"".join(bytes(part.data) for part in (*resampler.push(frame), *resampler.flush()))


class EspeakStream(tts.ChunkedStream):
    """One sentence."""

    async def _run(self, output_emitter) -> None:
        sound, rate = await asyncio.to_thread(say, self.input_text)
        output_emitter.initialize(request_id="espeak", sample_rate=rate, num_channels=1, mime_type="audio/pcm")
        output_emitter.push(sound)


class EspeakTts(tts.TTS):
    """Sentences as livekit-agents cuts them."""

    def __init__(self) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=VOICE_RATE, num_channels=1)

    def synthesize(self, text: str, *, conn_options=None) -> EspeakStream:
        return EspeakStream(tts=self, input_text=text, conn_options=conn_options)


ears, vad = MoonshineStt(), silero.VAD.load()
# `start` in place of `console` joins rooms (bench/livekit); a busy machine is no reason to refuse one here
server = AgentServer(host="127.0.0.1", port=0, num_idle_processes=0, load_fnc=lambda: 0.1)


@server.rtc_session()
async def converse(job: JobContext) -> None:
    """One call."""
    model = openai.LLM(model="canned", base_url=f"{os.environ['CANNED_URL']}/v1", api_key="none")
    tuned = {"aec_warmup_duration": None} if TUNED else {}
    session = AgentSession(stt=ears, llm=model, tts=EspeakTts(), vad=vad, **tuned)
    for name in ("agent_state_changed", "user_state_changed", "agent_false_interruption", "error"):
        session.on(name, lambda event: print(event, flush=True))
    await session.start(agent=Agent(instructions="You are a friendly voice assistant."), room=job.room)
    print("READY", flush=True)


if __name__ == "__main__":
    cli.run_app(server)
