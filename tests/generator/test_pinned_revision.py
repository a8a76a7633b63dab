"""What comes from the hub is of one commit, which the model names, whatever was asked for."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from safetensors.torch import save_file

from generator.loading import compute_fingerprint
from tests.generator.hub_cache import HubCache, run_with_hub
from tests.generator.tiny import tiny_pipeline, tiny_transformer

FIRST, SECOND = "1" * 40, "2" * 40
LOAD = """
import json, sys
from generator.errors import ModelNotFound, UnsupportedModel
from generator.loading import load_model

def load(source, revision):
    try:
        model = load_model(source, revision=revision, device="cpu")
    except (ModelNotFound, UnsupportedModel) as error:
        return str(error)
    return [model.revision, model.fingerprint]

print(json.dumps([load(*each) for each in json.loads(sys.argv[1])]))
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with two commits of each model, of which `main` is the second and the tag `v1` the first.

    FLUX.1-dev's are small and have the same weights, and only the first's config fits them.
    """
    cache = tmp_path_factory.mktemp("hub")
    tiny, flux = HubCache(cache, "them/tiny"), HubCache(cache, "black-forest-labs/FLUX.1-dev")
    parts = [tmp_path_factory.mktemp("parts") for _ in range(2)]
    for seed, folder in enumerate(parts):
        tiny_pipeline(seed=seed).save_pretrained(folder)
    for commit, folder in zip((FIRST, SECOND), parts, strict=True):
        tiny.add(commit, folder)
    flux.add(FIRST, parts[0])
    config_path = flux.add(SECOND, parts[0]) / "transformer" / "config.json"
    config = json.loads(config_path.read_text(encoding="utf-8"))
    config_path.write_text(json.dumps({**config, "num_attention_heads": 4}), encoding="utf-8")
    for each in (tiny, flux):
        each.point("main", SECOND)
        each.point("v1", FIRST)
    save_file(tiny_transformer(seed=1).state_dict(), cache / "mine.safetensors")
    return cache


@pytest.fixture(scope="module")
def prints() -> tuple[str, str]:
    """Fingerprints of the first and the second commit."""
    return compute_fingerprint(tiny_transformer()), compute_fingerprint(tiny_transformer(seed=1))


@pytest.fixture
def closed_hub() -> Iterator[str]:
    """The address of a hub that tells nobody anything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(401)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_comes_from_the_hub_is_of_the_commit_that_the_model_names(hub: Path, prints: tuple[str, str]) -> None:
    asked = [("them/tiny", revision) for revision in (None, "main", "v1", FIRST, "v2")]
    *loaded, refused, single = run_with_hub(hub, LOAD, json.dumps([*asked, ("mine.safetensors", "v1")]))
    assert [revision for revision, _ in loaded] == [SECOND, SECOND, FIRST, FIRST]
    assert [fingerprint for _, fingerprint in loaded] == [prints[1], prints[1], prints[0], prints[0]]
    assert "'them/tiny' is neither" in refused and "'v2'" in refused
    assert single == [FIRST, prints[1]], "a file's other parts and its config are of the hub"


def test_a_hub_that_refuses_leaves_what_was_downloaded(hub: Path, closed_hub: str) -> None:
    asked = [("them/tiny", None), ("them/tiny", "v1"), ("them/other", None)]
    open_to_nobody = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": closed_hub, "NO_PROXY": "127.0.0.1"}
    *loaded, refused = run_with_hub(hub, LOAD, json.dumps(asked), environment=open_to_nobody)
    assert [revision for revision, _ in loaded] == [SECOND, FIRST]
    assert "'them/other' is neither" in refused and "401" in refused


def test_another_pipeline_of_the_hub_is_refused_before_its_weights_are_asked_for(tmp_path: Path) -> None:
    """Of Fill the cache has nothing but the index, as a hub that is asked for it first gives no more."""
    index = tmp_path / "index"
    index.mkdir()
    (index / "model_index.json").write_text('{"_class_name": "FluxFillPipeline"}', encoding="utf-8")
    fill = HubCache(tmp_path, "black-forest-labs/FLUX.1-Fill-dev")
    fill.add(FIRST, index)
    fill.point("main", FIRST)
    (refused,) = run_with_hub(tmp_path, LOAD, json.dumps([("black-forest-labs/FLUX.1-Fill-dev", None)]))
    assert "'black-forest-labs/FLUX.1-Fill-dev' is a FluxFillPipeline" in refused
    assert "dev, schnell or Kontext" in refused
