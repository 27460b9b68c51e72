"""Record a person and get to know the voice: the name this has in the reference, a thin door to `echoless`.

python examples/voiceprint/record_voice.py NAME [--seconds 15]
"""

import sys

from echoless.cli import main

if __name__ == "__main__":
    sys.exit(main(["voiceprint", "enrol", *sys.argv[1:]]))
