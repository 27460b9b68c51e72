"""Are these one voice? The name this has in the reference, a thin door to `echoless`.

python examples/voiceprint/voiceprint_compare.py person.wav voice.wav [--json]
"""

import sys

from echoless.cli import main

if __name__ == "__main__":
    sys.exit(main(["voiceprint", "compare", *sys.argv[1:]]))
