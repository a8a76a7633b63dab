"""What is settled of libraries before they are imported. Imports none of them."""

import os


def quiet_libraries() -> None:
    """Have them tell errors alone, unless somebody asks for more.

    transformers tells everybody on import that torchvision is missing, which nothing here needs; diffusers tells of
    each prompt that is cut, in the prompt's own words.
    """
    for library in ("TRANSFORMERS", "DIFFUSERS"):
        os.environ.setdefault(f"{library}_VERBOSITY", "error")
