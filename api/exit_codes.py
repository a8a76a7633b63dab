"""The exit codes and what each says. Imports nothing, so that `--help` can list them at once."""

OK = 0
UNEXPECTED = 1
USAGE = 2
BAD_INPUT = 3
STORY = 4
MODEL = 5
DISK = 6
INTERRUPTED = 130
BROKEN_PIPE = 141

MEANINGS = {
    OK: "done",
    UNEXPECTED: "an unexpected error, a fault of the program: the traceback says where",
    USAGE: "the command line, an environment variable or the configuration file cannot be used",
    BAD_INPUT: "an idea, picture, concept, bank, lock or book cannot be used",
    STORY: "the story could not be written, or the language model not be used",
    MODEL: "the picture model could not be loaded, or could not draw or learn",
    DISK: "a file could not be read or written: full disk, no permission, a file in the way",
    INTERRUPTED: "interrupted by Ctrl-C",
    BROKEN_PIPE: "whoever read the output went away",
}
