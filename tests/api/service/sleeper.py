"""A worker that never says a word: `python -m tests.api.service.sleeper ROLE ID` lives until its input is closed."""

import sys

if __name__ == "__main__":
    sys.stdin.buffer.read()
