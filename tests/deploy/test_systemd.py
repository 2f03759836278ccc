"""What the units of deploy/systemd may write to. tests/deploy/test_production.py asks systemd whether it takes them."""

import re

import pytest

from tests.conftest import ROOT

UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))


@pytest.mark.parametrize("unit", [path.name for path in UNITS])
def test_the_documented_staging_folder_is_one_that_the_unit_may_write_to(unit: str) -> None:
    options = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "deploy/systemd" / unit).read_text(), re.MULTILINE))
    assert options["ProtectSystem"] == "strict"
    (documented,) = re.findall(r"STAGING_DIR=(\S+?)`", (ROOT / "docs/OPERATIONS.md").read_text())
    assert documented.startswith(f"/var/lib/{options['StateDirectory']}/")
