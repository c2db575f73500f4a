"""Every arm under every seed, and what each run came to."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.routing import client, servers
from bench.routing.figures import Figures, Servers, of_servers, of_stages
from bench.routing.parameters import Arm, Trial, Workload
from bench.routing.requests import Load, load


class Deployment(Protocol):
    """What the load is sent to."""

    servers: Mapping[str, str]
    """Pod -> URL of each model server itself."""

    def ready(self, arm: Arm) -> str:
        """URL to send requests to, chosen among servers the arm's way; all caches are empty."""
        ...


@dataclass(frozen=True, kw_only=True)
class Harness:
    """Whether this machine kept up; shares of one core."""

    client_cpu: float
    machine_cpu: float
    """Of everything on the machine."""
    cores: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """One arm under one seed of a workload, without its warm-up."""

    workload: str
    arm: str
    seed: int
    stages: Sequence[Figures]
    overall: Figures
    servers: Servers
    harness: Harness
    failures: Sequence[str]
    """Some of them, in their own words."""


def run_all(
    trials: Sequence[Trial],
    seeds: Sequence[int],
    deployment: Deployment,
    tell: Callable[[str], None],
) -> list[Run]:
    """Arms outside, since changing one takes a deployment; seeds inside."""
    loads = {
        (trial.workload.name, seed): load(trial.workload, seed)
        for trial in trials
        for seed in seeds
    }
    arms = {arm.name: arm for trial in trials for arm in trial.arms}
    runs: list[Run] = []
    for arm in arms.values():
        for trial in trials:
            for seed in seeds if arm in trial.arms else ():
                tell(f"{arm.name}: {trial.workload.name}, seed {seed}")
                url = deployment.ready(arm)
                wanted = loads[trial.workload.name, seed]
                runs.append(_run(url, arm, trial.workload, seed, wanted, deployment.servers))
    return runs


def _run(
    url: str, arm: Arm, workload: Workload, seed: int, wanted: Load, pods: Mapping[str, str]
) -> Run:
    if workload.warm_everywhere:
        asyncio.run(_warm(pods.values(), wanted))
    asyncio.run(_warm([url], wanted))
    before, began, busy, own = (
        servers.counters(pods),
        time.monotonic(),
        _busy(),
        time.process_time(),
    )
    answers = asyncio.run(client.send(url, wanted.measured, output_tokens=workload.output_tokens))
    took = time.monotonic() - began
    harness = Harness(
        client_cpu=(time.process_time() - own) / took,
        machine_cpu=(_busy() - busy) / took,
        cores=os.cpu_count() or 1,
    )
    stages, overall = of_stages(answers, workload.stages)
    failures = sorted({one.why for one in answers if isinstance(one, client.Failure)})
    return Run(
        workload=workload.name,
        arm=arm.name,
        seed=seed,
        stages=stages,
        overall=overall,
        servers=of_servers(before, servers.counters(pods)),
        harness=harness,
        failures=failures[:5],
    )


async def _warm(urls: Iterable[str], wanted: Load) -> None:
    """A token is enough: it is the prompts that have to be known."""
    await asyncio.gather(*(client.send(url, wanted.warm_up, output_tokens=1) for url in urls))


def _busy() -> float:
    """Seconds that this machine's cores have worked."""
    user, nice, system, _idle, _wait, *interrupts = map(
        int, Path("/proc/stat").read_text().partition("\n")[0].split()[1:8]
    )
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
