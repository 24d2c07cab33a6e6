"""The streamer with a window that never changes: `python -m tests.bench.fixed WINDOW run --config FILE`."""

import sys
from unittest.mock import patch

from streamer import cli, pipeline
from streamer.admission.limit import FixedLimit


def main() -> None:
    window = int(sys.argv.pop(1))
    # An error when the program is wired in another way.
    with patch.object(pipeline, "LittleLimit", lambda *_: FixedLimit(window)):
        cli.main()


if __name__ == "__main__":
    main()
