"""Have the agent's voice say a text into a WAV: the name this has in the reference, a thin door to `echoless`.

python examples/voiceprint/tts_generate.py VOICE "text" --out voice.wav
"""

import sys

from echoless.cli import main

if __name__ == "__main__":
    sys.exit(main(["voice", "say", *sys.argv[1:]]))
