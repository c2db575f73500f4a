"""A Pulumi program of a few lines, run by the real engine with this project's plugins."""

import os
import subprocess
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import tools

ROOT = Path(__file__).parents[2]
SECONDS = 120.0


@dataclass(frozen=True)
class Program:
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def written(cls, folder: Path, text: str, **environment: str) -> "Program":
        """The program, with a stack and nothing deployed."""
        (folder / "backend").mkdir(parents=True)
        (folder / "Pulumi.yaml").write_text("name: project\nruntime: python\n")
        (folder / "__main__.py").write_text(textwrap.dedent(text))
        made = cls(folder, environment)
        assert made.pulumi("stack", "init", "test").returncode == 0
        return made

    @property
    def state(self) -> str:
        """The stack's state as it lies in the backend: JSON."""
        return (self.folder / "backend/.pulumi/stacks/project/test.json").read_text()

    def start(self, *words: str, **environment: str) -> "subprocess.Popen[str]":
        ambient = tools.environment()
        return subprocess.Popen(  # noqa: S603
            ["pulumi", *words, "--non-interactive"],  # noqa: S607
            cwd=self.folder,
            env={
                **ambient,
                "PATH": f"{ROOT / 'plugins/bin'}{os.pathsep}{ambient['PATH']}",
                "PULUMI_BACKEND_URL": f"file://{quote(str(self.folder / 'backend'))}",
                "PULUMI_CONFIG_PASSPHRASE": "",
                "KUBECONFIG": os.devnull,
                **self.environment,
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def pulumi(self, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """A command of Pulumi, to its end."""
        with self.start(*words, **environment) as running:
            said, _ = running.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(running.args, running.returncode, said)
