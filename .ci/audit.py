"""``make audit``: lists known vulnerabilities of the installed packages, or says that nothing was checked.

pip-audit exits with 0 if the service knows none of the packages, which is so for a mirror. That is not an
audit: this script then exits with 3, also if the service cannot be reached. It exits with 1 for a
vulnerability.
"""

from __future__ import annotations

import json
import subprocess
import sys

__all__ = ["main", "verdict"]

CLEAN, FOUND, UNKNOWN = 0, 1, 3


def verdict(report: str, complaint: str) -> tuple[int, str]:
    """Returns exit code and message for what pip-audit wrote to standard output and standard error."""
    try:
        packages = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = complaint.strip().splitlines()[-1] if complaint.strip() else "no reason was given"
        return (
            UNKNOWN,
            f"audit: NOTHING WAS CHECKED: the service cannot be reached: {reason}",
        )
    lines = [
        f"  {package['name']} {package['version']}: {advisory['id']}, "
        f"fixed in {advisory['fix_versions'] or 'none'}"
        for package in packages
        for advisory in package.get("vulns", ())
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
    """Run pip-audit on this environment, and print the verdict."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--skip-editable"]
    command += ["--progress-spinner", "off", "--timeout", "10"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    code, message = verdict(process.stdout, process.stderr)
    print(message)
    return code


if __name__ == "__main__":
    sys.exit(main())
