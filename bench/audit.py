"""The second half of `make audit`: asks pip-audit for known vulnerabilities of the installed packages.

A finding fails. Where nothing can be looked up, one line says so: that is no fault of the code. What stands behind the
command goes to pip-audit, such as another service's address.
"""

import json
import subprocess
import sys
from typing import NoReturn

COMMAND = ["pip-audit", "--local", "--progress-spinner", "off", "--format", "json"]


def main() -> None:
    result = subprocess.run([*COMMAND, *sys.argv[1:]], capture_output=True, text=True, check=False)
    # 1 is a finding, and also everything that goes wrong on the way; 2 and above are mistakes in the call.
    if result.returncode > 1:
        sys.exit(result.stderr.strip())
    try:
        packages = json.loads(result.stdout)["dependencies"]
    except ValueError:
        not_looked_up(result.stderr.strip().splitlines()[-1] if result.stderr.strip() else "pip-audit says nothing")

    looked_up = [package for package in packages if "skip_reason" not in package]
    if not looked_up:
        not_looked_up(packages[0]["skip_reason"] if packages else "there are no packages here")
    found = [(package, vulnerability) for package in looked_up for vulnerability in package["vulns"]]
    for package, vulnerability in found:
        cure = ", ".join(vulnerability["fix_versions"]) or "none yet"
        print(f"{package['name']} {package['version']}: {vulnerability['id']}, mended in: {cure}", file=sys.stderr)
    if found:
        sys.exit("These packages have known vulnerabilities: raise them in the requirements file that names them.")
    rest = len(packages) - len(looked_up)
    print(f"No known vulnerabilities in {len(looked_up)} packages." + (f" Not looked up: {rest}." if rest else ""))


def not_looked_up(reason: str) -> NoReturn:
    print(f"Known vulnerabilities were not looked up: {reason}")
    sys.exit(0)


if __name__ == "__main__":
    main()
