"""GitHub's workflows. `make lint` reads them with zizmor: pinned by digest, least permissions, nothing injected."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT


def jobs(name: str) -> Any:
    return yaml.safe_load((ROOT / ".github/workflows" / name).read_text())["jobs"]


EXAMPLE = """# Changelog

## [Unreleased]

- Later.

## [1.1.0] - 2026-12-01

### Fixed

- `$(HOME)` & co.

## [1.1.0-rc.1] - 2026-11-30

- Try it.

## [1.0.0] - 2026-11-23

The first.
"""


def notes(tag: str, folder: Path, changelog: str = EXAMPLE) -> "tuple[subprocess.CompletedProcess[str], str]":
    """What the release's step says, and what it hands on."""
    (folder / "CHANGELOG.md").write_text(changelog)
    (step,) = (step for step in jobs("release.yml")["notes"]["steps"] if step.get("id") == "notes")
    output = folder / "output"
    output.touch()
    result = subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]], cwd=folder,
        env=os.environ | {"GITHUB_REF_NAME": tag, "GITHUB_OUTPUT": str(output)}, capture_output=True, text=True,
    )  # fmt: skip
    return result, output.read_text()


@pytest.mark.parametrize(
    ("tag", "text"),
    [("v1.1.0", "### Fixed\n\n- `$(HOME)` & co."), ("v1.1.0-rc.1", "- Try it."), ("v1.0.0", "The first.")],
)
def test_a_release_says_what_its_section_of_the_changelog_says(tag: str, text: str, tmp_path: Path) -> None:
    result, output = notes(tag, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert output.splitlines()[0] == "text<<END_OF_NOTES" and output.splitlines()[-1] == "END_OF_NOTES"
    assert "\n".join(output.splitlines()[1:-1]).strip() == text


@pytest.mark.parametrize("tag", ["v1.2.0", "v1.1", "vUnreleased-not"])
def test_a_tag_without_a_section_publishes_nothing(tag: str, tmp_path: Path) -> None:
    result, output = notes(tag, tmp_path)
    assert result.returncode == 1 and result.stdout.startswith("::error::CHANGELOG.md has no section") and not output
    assert set(jobs("release.yml")["image"]["needs"]) == {"check", "notes"}


def test_the_image_is_built_for_both_machines_under_the_repository_s_own_name() -> None:
    steps = {
        step["uses"].partition("@")[0]: step["with"] for step in jobs("release.yml")["image"]["steps"] if "with" in step
    }
    assert steps["docker/metadata-action"]["images"] == "ghcr.io/${{ github.repository }}"
    assert steps["docker/build-push-action"]["platforms"] == "linux/amd64,linux/arm64"


def test_the_first_version_has_its_section(tmp_path: Path) -> None:
    _, output = notes("v1.0.0", tmp_path, (ROOT / "CHANGELOG.md").read_text())
    assert "The first version." in output and "Unreleased" not in output


def test_ci_runs_the_same_script_as_everybody_and_counts_the_coverage_once() -> None:
    check = jobs("ci.yml")["check"]
    pythons = check["strategy"]["matrix"]["python"]
    runs = {step["run"]: step.get("if") for step in check["steps"] if "run" in step}
    assert runs == {".ci/run": None, "make coverage": f"matrix.python == '{pythons[-1]}'"}
