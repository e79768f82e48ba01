"""``make audit``: known vulnerabilities of the installed packages, or a plain word that nobody was asked.

pip-audit ends with success where the service knows none of the packages, as a mirror does. That is no audit:
here it ends with code 3, as does a service that cannot be reached; a vulnerability ends with 1.
"""

from __future__ import annotations

import json
import subprocess
import sys

__all__ = ["main", "verdict"]

CLEAN, FOUND, UNKNOWN = 0, 1, 3


def verdict(report: str, complaint: str) -> tuple[int, str]:
    """Exit code and message for what pip-audit wrote to standard output and standard error."""
    try:
        packages = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = complaint.strip().splitlines()[-1] if complaint.strip() else "no reason was given"
        return (
            UNKNOWN,
            f"audit: NOTHING WAS CHECKED: the service cannot be reached: {reason}",
        )
    lines = [
        f"  {package['name']} {package['version']}: {found['id']}, fixed in {found['fix_versions'] or 'none'}"
        for package in packages
        for found in package.get("vulns", ())
    ]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    counts = f"{len(packages) - len(unknown)} of {len(packages)} packages were looked up"
    if lines:
        return FOUND, "\n".join([f"audit: {len(lines)} known vulnerabilities; {counts}", *lines])
    if len(unknown) > len(packages) // 10 or not packages:
        return (
            UNKNOWN,
            f"audit: NOT AN AUDIT: {counts}; the service does not know the others (a mirror?)",
        )
    return CLEAN, f"audit: no known vulnerabilities; {counts}"


def main() -> int:
    """Ask the service about this environment."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--skip-editable"]
    command += ["--progress-spinner", "off", "--timeout", "10"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    code, message = verdict(done.stdout, done.stderr)
    print(message)
    return code


if __name__ == "__main__":
    sys.exit(main())
