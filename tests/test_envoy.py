"""The standalone gateway's configuration, read by the real Envoy."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.gateways import standalone
from stack.kinds import Behind
from stack.releases import releases

ENVOY = shutil.which("envoy", path=str(Path(sys.executable).parent))


@pytest.mark.skipif(not ENVOY, reason="no Envoy is published for this platform on PyPI")
@pytest.mark.parametrize("release", releases())
def test_envoy_takes_the_configuration(release: str, tmp_path: Path) -> None:
    behind = Behind(
        pool="pool",
        picker="epp.llm-d.svc.cluster.local",
        pods="pods.llm-d.svc.cluster.local",
        port=8000,
        fails_open=True,
    )
    proxy = standalone.proxy(releases()[release], [behind], [])
    for name, content in proxy.config.items():
        (tmp_path / name).write_text(content)

    said = subprocess.run(  # noqa: S603 - our own words
        [str(ENVOY), "--mode", "validate", "--config-path", tmp_path / "envoy.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 0, said.stderr
    assert proxy.args[:2] == ("--config-path", f"{proxy.config_dir}/envoy.yaml")
