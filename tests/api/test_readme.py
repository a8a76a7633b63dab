"""What the README shows in Python works for whoever has nothing yet."""

import re
from pathlib import Path

import pytest
from PIL import Image

from concepts.bank import ConceptBank
from tests.api.builders import PlainRenderer

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_example_in_python_draws_in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    example = re.search(r"### From Python\n+```python\n(.+?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    code = example[1].replace('FluxRenderer(load_model("pocket"), bank)', "plain_renderer")
    assert code != example[1]
    plain_renderer = PlainRenderer()
    exec(code, {"plain_renderer": plain_renderer})
    assert [(bound.prompt, seed) for bound, seed in plain_renderer.drawn] == [("a fox waving in the snow", 7)]
    assert "rusty" in ConceptBank(tmp_path / "bank").ids()
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.format == "PNG"
