"""Whether a login to OpenShift is alive: its tokens last a day."""

import shutil
import subprocess

SECONDS = 30


def whoami(context: str, kubeconfig: str | None) -> str:
    """Why it is not, in `oc`'s last words; empty where it is, or where there is no `oc`."""
    program = shutil.which("oc")
    if program is None:
        return ""
    command = [program, "whoami", f"--context={context}", "--request-timeout=15s"]
    if kubeconfig:
        command.append(f"--kubeconfig={kubeconfig}")
    try:
        done = subprocess.run(  # noqa: S603 - argument lists of ours, and no shell reads them
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"oc gave no answer within {SECONDS} s"
    if done.returncode:
        return ((done.stderr or done.stdout).strip().splitlines() or ["oc said nothing"])[-1]
    return ""
