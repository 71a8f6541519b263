"""The wheel is whole: installed into an empty venv it starts, styles and samples included."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import home_environment

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.xdist_group("wheel")  # it is built once

HEADLESS = """
import asyncio
from qtower.agent.link import AgentLink
from qtower.ui.app import TowerApp
import sys

async def main():
    agent = [sys.executable, "-m", "qtower", "agent"]
    app = TowerApp(lambda hear, state: AgentLink(agent, hear, state), "local")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        print("SCREEN", type(app.screen).__name__, len(app.stylesheet.rules) > 0)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(out.glob("qtower-*.whl"))


def test_it_holds_styles_and_samples_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    styles = {f"qtower/styles/{style.name}" for style in (ROOT / "styles").glob("*.tcss")}
    samples = {
        f"qtower/desk/samples/{sample.name}"
        for sample in (ROOT / "src/qtower/desk/samples").iterdir()
        if sample.is_file()
    }
    assert styles and styles <= set(names)
    assert samples and samples <= set(names)
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "tools"))]


def test_installed_into_an_empty_venv_it_starts(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run(
        [
            *(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            "--no-compile",  # what starts compiles what it loads, and that is a tenth of it
            *("--constraint", str(ROOT / "constraints.txt"), str(wheel)),
        ],
        check=True,
        capture_output=True,
        cwd=tmp_path,
    )
    environment = home_environment(tmp_path / "home")
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    version = subprocess.run(
        [tmp_path / "venv" / "bin" / "qtower", "--version"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environment,
    )
    assert version.stdout.startswith("qtower ")
    screen = subprocess.run(
        [python, "-c", HEADLESS],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=120,
    )
    stop = [str(tmp_path / "venv" / "bin" / "qtower"), "service", "stop"]
    subprocess.run(stop, cwd=tmp_path, env=environment, capture_output=True)
    assert "SCREEN" in screen.stdout and screen.stdout.rstrip().endswith("True"), screen.stderr
