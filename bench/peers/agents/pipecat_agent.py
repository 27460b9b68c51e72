"""pipecat at its local sound card, as its own examples build it: Silero VAD, Smart Turn, its turn strategies.

`--tuned`: the user is muted while the agent speaks, the remedy it has for loudspeakers without an echo canceller.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator

from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import Frame, TranscriptionFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.settings import STTSettings, TTSSettings
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.local.audio import LocalAudioTransport, LocalAudioTransportParams
from pipecat.turns.user_mute import AlwaysUserMuteStrategy
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner
from speech_parts import RATE, Moonshine, say

PIECE = 4096


class MoonshineService(SegmentedSTTService):
    """Segments as pipecat cuts them, recognised in a thread."""

    wants_wav_segments = False

    def __init__(self) -> None:
        super().__init__(sample_rate=RATE, settings=STTSettings(model="tiny-en", language=None))
        self._engine = Moonshine()

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        words = await asyncio.to_thread(self._engine.words, audio, RATE)
        logger.info("heard {!r}", words)
        if words:
            yield TranscriptionFrame(words, self._user_id, time_now_iso8601())


class EspeakService(TTSService):
    """Sentences as pipecat cuts them, spoken in a thread."""

    def __init__(self) -> None:
        nothing = TTSSettings(model=None, voice=None, language=None)
        super().__init__(push_start_frame=True, push_stop_frames=True, settings=nothing)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        sound, rate = await asyncio.to_thread(say, text)

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(sound), PIECE):
                yield sound[at : at + PIECE]

        async for frame in self._stream_audio_frames_from_iterator(
            pieces(), in_sample_rate=rate, context_id=context_id
        ):
            yield frame


async def main() -> None:
    """Hold a conversation until interrupted."""
    card = LocalAudioTransport(LocalAudioTransportParams(audio_in_enabled=True, audio_out_enabled=True))
    model = OpenAILLMService(
        base_url=f"{os.environ['CANNED_URL']}/v1",
        api_key="none",
        settings=OpenAILLMService.Settings(model="canned"),
    )
    mute = [AlwaysUserMuteStrategy()] if "--tuned" in sys.argv else []
    params = LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer(), user_mute_strategies=mute)
    context = LLMContext([{"role": "system", "content": "You are a friendly voice assistant."}])
    both = LLMContextAggregatorPair(context, user_params=params)
    steps = [card.input(), MoonshineService(), both.user(), model, EspeakService(), card.output(), both.assistant()]
    runner = WorkerRunner()
    await runner.add_workers(PipelineWorker(Pipeline(steps)))
    print("READY", flush=True)
    await runner.run()


if __name__ == "__main__":
    asyncio.run(main())
