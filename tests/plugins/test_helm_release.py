"""`helm.v3.Release`: what is asked of helm, and what helm makes of it on a real API server."""

import asyncio
import json
import os
import re
import signal
import stat
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kubernetes_plugin import Kubectl
from program import Program
from pulumi.provider.experimental import provider as sdk
from pulumi.provider.experimental.property_value import PropertyValue
from started_plugin import ENGINE, Call, eventually, started

from embedded.cluster import CONTEXT, Cluster
from plugins.command.process import Runner
from plugins.contract import (
    CheckRequest,
    CreateRequest,
    DeleteRequest,
    DiffRequest,
    Failed,
    NotInitialised,
    ReadRequest,
    UpdateRequest,
)
from plugins.engine import Engine
from plugins.kubernetes import charts, release_inputs
from plugins.kubernetes.access import Access
from plugins.kubernetes.helm import PROGRAM, Helm, complaint, opened
from plugins.kubernetes.helm_release import HelmRelease
from plugins.kubernetes.kinds import HELM_RELEASE
from plugins.values import UNKNOWN, Object, PropertyMap, plain, secret_paths, typed
from tools import resolve

URN = f"urn:pulumi:test::project::{HELM_RELEASE}::one"
ACCESS = Access(
    source="test", context="c", cluster={"server": "https://127.0.0.1:1"}, user={}, namespace=None
)
BASE: Object = {"name": "one", "namespace": "apps", "chart": "oci://host/team/tiny"}


# -- what is said of a release


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({}, "chart"),
        ({**BASE, "name": "--post-renderer=x"}, "name"),
        ({**BASE, "name": "x" * 54}, "name"),
        ({**BASE, "namespace": "a b"}, "namespace"),
        ({**BASE, "values": "a: b"}, "values"),
        ({**BASE, "timeout": "soon"}, "timeout"),
        ({**BASE, "postrender": "/bin/sh"}, "postrender"),
        ({**BASE, "verify": True}, "verify"),
        ({**BASE, "chart": "./nowhere"}, "chart"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_named_by_its_path(inputs: Object, path: str) -> None:
    assert [one for one, _ in release_inputs.problems(typed(inputs))] == [path]


@pytest.mark.parametrize("key", ["name", "namespace", "chart", "version", "values", "timeout"])
def test_what_a_preview_does_not_know_yet_is_no_mistake(key: str) -> None:
    inputs = typed({**BASE, key: UNKNOWN})

    assert not list(release_inputs.problems(inputs))
    assert plain(release_inputs.completed(inputs, name="n", namespace="ns"))[key] is UNKNOWN


def test_a_release_gets_the_vendors_defaults() -> None:
    inputs = typed({"chart": "tiny", "namespace": "", "version": None})

    completed = plain(release_inputs.completed(inputs, name="one-1234", namespace="here"))

    assert completed == {"chart": "tiny", "name": "one-1234", "namespace": "here", "timeout": 300}


def test_the_version_of_a_local_chart_is_written_down(chart: Path) -> None:
    inputs = release_inputs.completed(
        typed({"chart": str(chart), "version": "0.0.9"}), name="one", namespace="apps"
    )

    assert plain(inputs)["version"] == "0.1.0"


def test_files_of_values_lie_below_the_values_and_keep_their_secrets(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: {x: 1, y: 1}\nb: [1]\n")
    files = [pulumi.FileAsset(str(tmp_path / "a.yaml")), pulumi.StringAsset("a: {y: 2, z: 2}")]
    inputs: PropertyMap = {
        **typed({"chart": "tiny", "values": {"a": {"z": 3}, "b": [2]}}, [("values", "b")]),
        "valueYamlFiles": PropertyValue([PropertyValue(file) for file in files]),
    }

    completed = release_inputs.completed(inputs, name="one", namespace="apps")

    assert plain(completed)["values"] == {"a": {"x": 1, "y": 2, "z": 3}, "b": [2]}
    assert secret_paths(completed) == {("values", "b")}
    assert "valueYamlFiles" not in completed


def test_only_name_and_namespace_make_another_release() -> None:
    old = {**BASE, "version": "1", "values": {"a": 1}, "compat": "true"}
    new: Object = {**BASE, "version": "2", "values": {}, "namespace": "other"}

    changes = release_inputs.difference(typed(old), typed(new))

    assert changes == {"version": False, "values": False, "namespace": True}


SWITCHES = st.dictionaries(
    st.sampled_from(
        ["atomic", "createNamespace", "disableWebhooks", "replace", "skipAwait", "skipCrds"]
    ),
    st.booleans(),
)


@given(secret=st.text(min_size=8), switches=SWITCHES)
def test_no_value_and_no_password_is_ever_an_argument(secret: str, switches: Object) -> None:
    inputs = {
        **BASE,
        **switches,
        "values": {"token": secret, secret: "key"},
        "repositoryOpts": {"repo": "https://charts", "username": "me", "password": secret},
    }
    arguments = [
        *release_inputs.install(inputs, "tiny.tgz"),
        *release_inputs.upgrade(inputs, "tiny.tgz"),
        *release_inputs.uninstall(inputs),
        *release_inputs.rollback(inputs),
        *charts.login(charts.named(inputs)),
    ]

    assert secret not in "\n".join(arguments)
    assert secret not in repr(charts.named(inputs))


def test_helm_is_told_what_the_program_said() -> None:
    inputs = {
        **BASE,
        "atomic": True,
        "createNamespace": True,
        "skipCrds": True,
        "waitForJobs": True,
        "disableWebhooks": True,
        "timeout": 900,
    }

    assert release_inputs.install(inputs, "tiny.tgz") == [
        *("install", "--atomic", "--create-namespace", "--no-hooks", "--skip-crds"),
        *("--wait-for-jobs", "--wait", "--timeout=900s", "--values=-", "--output=json"),
        *("--namespace=apps", "--", "one", "tiny.tgz"),
    ]


def test_values_that_were_taken_out_are_forgotten_by_an_upgrade() -> None:
    """Helm would keep the old ones when it gets none."""
    assert "--reset-values" in release_inputs.upgrade(BASE, "tiny.tgz")


def test_a_release_that_is_not_awaited_is_not_awaited_when_it_goes() -> None:
    assert "--wait" in release_inputs.uninstall(BASE)
    assert "--wait" not in release_inputs.uninstall({**BASE, "skipAwait": True})


@pytest.mark.parametrize(
    ("chart", "repo", "reference", "url"),
    [
        ("tiny", "https://charts", "tiny", "https://charts"),
        ("tiny", "alias", "alias/tiny", ""),
        ("alias/tiny", "", "alias/tiny", ""),
        ("oci://host/tiny", "https://charts", "oci://host/tiny", ""),
    ],
)
def test_a_chart_is_found_where_the_vendors_plugin_finds_it(
    chart: str, repo: str, reference: str, url: str
) -> None:
    found = charts.named({"chart": chart, "repositoryOpts": {"repo": repo}})

    assert (found.reference, found.url, found.path) == (reference, url, None)


def test_objects_are_named_by_kind_as_the_vendor_writes_it() -> None:
    manifest = """
    ---
    # nothing
    ---
    {apiVersion: apps/v1, kind: Deployment, metadata: {name: b, namespace: apps}}
    ---
    {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
    """

    assert release_inputs.resource_names(textwrap.dedent(manifest)) == {
        "ConfigMap/v1": ["a"],
        "Deployment.apps/apps/v1": ["apps/b"],
    }


def test_of_helms_words_the_error_is_kept() -> None:
    said = "WARNING: old config\nError: INSTALLATION FAILED: no\nroute"

    assert complaint(said) == "INSTALLATION FAILED: no route"


# -- a recorder in place of helm


class Ear(Engine):
    """Hears what would be told to the engine."""

    def __init__(self) -> None:
        super().__init__(None)
        self.said: list[str] = []

    def log(self, message: str, *, urn: str = "", severity: str = "INFO") -> None:  # noqa: ARG002
        self.said.append(message)

    def progress(self, message: str, *, urn: str) -> None:  # noqa: ARG002
        self.said.append(message)


async def no_wait(access: Access = ACCESS) -> Access:
    return access


def release(environment: Mapping[str, str], ear: Ear | None = None) -> HelmRelease:
    return HelmRelease(ear or Ear(), environment, no_wait)


@dataclass(frozen=True)
class Recorder:
    """What a program that poses as helm was asked, call by call."""

    environment: Mapping[str, str]
    file: Path

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]


POSER = """#!{python}
import json, os, pathlib, sys
kubeconfig = pathlib.Path(os.environ["KUBECONFIG"])
call = {{"argv": sys.argv[1:], "stdin": sys.stdin.read(), "env": dict(os.environ),
        "mode": kubeconfig.stat().st_mode, "folder": kubeconfig.parent.stat().st_mode,
        "kubeconfig": kubeconfig.read_text()}}
with open({calls!r}, "a") as file:
    print(json.dumps(call), file=file)
match sys.argv[1]:
    case "status":
        sys.exit("Error: release: not found")
    case "pull" if os.environ.get("NO_NETWORK"):
        sys.exit("Error: looks like it cannot be reached: dial tcp: no route to host")
    case "pull":
        where = next(arg for arg in sys.argv if arg.startswith("--destination="))
        (pathlib.Path(where.partition("=")[2]) / "tiny-0.1.0.tgz").touch()
    case "install":
        print(json.dumps({{"name": "one", "namespace": "apps", "version": 1, "config": {{}},
            "manifest": "", "info": {{"status": "deployed"}}, "chart": {{"metadata":
            {{"name": "tiny", "version": "0.1.0", "appVersion": "7"}}}}}}))
"""


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    calls = tmp_path / "calls"
    poser = tmp_path / "helm"
    poser.write_text(POSER.format(python=sys.executable, calls=str(calls)))
    poser.chmod(0o755)
    ambient = {"PATH": os.environ["PATH"], "HELM_KUBECONTEXT": "production", PROGRAM: str(poser)}
    return Recorder(ambient, calls)


def create(one: HelmRelease, inputs: Object, secrets: set[tuple[str, ...]] | None = None) -> Any:
    properties = typed({**BASE, "timeout": 300, **inputs}, secrets or ())
    return asyncio.run(one.create(CreateRequest(URN, properties, 0, preview=False)))


def test_values_and_passwords_go_by_stdin_and_the_kubeconfig_in_a_private_file(
    recorder: Recorder,
) -> None:
    inputs = {
        "chart": "tiny",
        "version": "0.1.0",
        "repositoryOpts": {"repo": "https://charts", "username": "me", "password": "p4ss"},
        "values": {"token": "hf_secret"},
    }

    made = create(release(recorder.environment), inputs, {("values", "token")})

    status, add, pull, install = recorder.calls
    assert [call["argv"][0] for call in recorder.calls] == ["status", "repo", "pull", "install"]
    assert add["argv"][-2:] == ["private", "https://charts"]
    assert add["stdin"] == "p4ss"
    assert pull["argv"][-3:] == ["--version=0.1.0", "--", "private/tiny"]
    assert pull["env"]["HELM_REPOSITORY_CONFIG"].startswith(
        str(Path(status["env"]["KUBECONFIG"]).parent)
    )
    assert json.loads(install["stdin"]) == {"token": "hf_secret"}
    for call in recorder.calls:
        assert not {"p4ss", "hf_secret"} & set(" ".join(call["argv"]).split())
        assert "HELM_KUBECONTEXT" not in call["env"]
        assert json.loads(call["kubeconfig"])["current-context"] == "c"
        assert (stat.S_IMODE(call["mode"]), stat.S_IMODE(call["folder"])) == (0o600, 0o700)
    assert not Path(status["env"]["KUBECONFIG"]).parent.exists()
    assert made.resource_id == "apps/one"
    assert ("values", "token") in secret_paths(made.properties)
    assert ("status",) not in secret_paths(made.properties)


def test_a_registry_is_logged_into_by_stdin_and_in_private(recorder: Recorder) -> None:
    create(
        release(recorder.environment),
        {"repositoryOpts": {"username": "me", "password": "p4ss"}},
    )

    login = recorder.calls[1]
    assert login["argv"][:2] == ["registry", "login"]
    assert login["argv"][-1] == "host"
    assert login["stdin"] == "p4ss"
    assert recorder.calls[2]["argv"][-1] == "oci://host/team/tiny"


def test_without_the_chart_one_error_names_it_and_the_way_out(recorder: Recorder) -> None:
    environment = {**recorder.environment, "NO_NETWORK": "1"}

    with pytest.raises(Failed) as caught:
        create(release(environment), {"version": "0.1.0"})

    assert str(caught.value).startswith("chart `oci://host/team/tiny` 0.1.0 cannot be had: ")
    assert "no route to host" in str(caught.value)
    assert "set `chart` to the path of the .tgz" in str(caught.value)
    assert [call["argv"][0] for call in recorder.calls] == ["status", "pull"]


def test_without_helm_the_error_says_where_it_was_sought() -> None:
    with pytest.raises(Failed, match="`helm` is not on PATH: install it, or name the binary in"):
        create(release({"PATH": "/nowhere"}), {})


def test_a_preview_needs_neither_helm_nor_the_chart() -> None:
    one = release({"PATH": "/nowhere"})
    inputs = typed({**BASE, "values": {"token": "x"}}, {("values", "token")})

    async def preview() -> tuple[PropertyMap, PropertyMap]:
        checked = await one.check(CheckRequest(URN, {}, inputs, b"seed"), namespace="default")
        assert not checked.failures
        known = checked.inputs or {}
        creation = await one.create(CreateRequest(URN, known, 0, preview=True))
        change = UpdateRequest(URN, "apps/one", known, known, 0, [], preview=True)
        return creation.properties, (await one.update(change)).properties

    for previewed in asyncio.run(preview()):
        assert plain(previewed)["status"] is UNKNOWN
        assert plain(previewed)["name"] == "one"
        assert ("values", "token") in secret_paths(previewed)


def test_a_release_without_a_name_keeps_the_one_it_got() -> None:
    one = release({})
    inputs = typed({"chart": "oci://host/tiny"})

    async def names() -> list[str]:
        first = await one.check(CheckRequest(URN, {}, inputs, b"seed"), namespace="here")
        again = CheckRequest(URN, first.inputs or {}, inputs, b"other")
        second = await one.check(again, namespace="here")
        return [plain(response.inputs or {})["name"] for response in (first, second)]

    first, second = asyncio.run(names())
    assert first == second
    assert first.startswith("one-")


def test_another_name_means_that_the_old_release_goes_first() -> None:
    request = DiffRequest(URN, "apps/one", {}, typed({**BASE, "name": "two"}), [])
    request.old_inputs = typed(BASE)

    response = asyncio.run(release({}).diff(request))

    assert response.replaces == ["name"]
    assert response.delete_before_replace


# -- the private folder


def test_a_folder_of_one_who_was_killed_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / "llm-d-helm-left"
    left.mkdir()
    (left / "kubeconfig").write_text("secret")

    def found() -> set[Path]:
        return set(tmp_path.iterdir())

    async def both() -> tuple[set[Path], set[Path]]:
        environment = {"PATH": "", PROGRAM: "helm"}

        def one() -> AbstractAsyncContextManager[Helm]:
            return opened(ACCESS, environment, Runner(), lambda _: None)

        async with one() as first, one() as second:
            return {first.folder, second.folder}, found()

    ours, there = asyncio.run(both())

    assert ours == there
    assert not list(tmp_path.iterdir())


@pytest.mark.engine
def test_nothing_private_is_left_when_the_engine_is_killed(
    tmp_path: Path, control_plane: Cluster
) -> None:
    poser = tmp_path / "helm"
    poser.write_text("#!/bin/sh\nexec sleep 60\n")
    poser.chmod(0o755)
    folders = tmp_path / "tmp"
    folders.mkdir()
    environment = {**os.environ, "TMPDIR": str(folders), PROGRAM: str(poser)}
    options = {"kubeconfig": str(control_plane.kubeconfig), "context": CONTEXT}
    with started(
        "kubernetes", HELM_RELEASE, under=ENGINE, environment=environment, options=options
    ) as plugin:
        creation = Call(lambda: plugin.create(BASE))
        assert eventually(lambda: bool(list(folders.glob("*/kubeconfig"))))
        plugin.process.kill()
        assert creation.ended()

        assert eventually(lambda: not list(folders.iterdir()))


# -- the real helm on a real API server


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart with a ConfigMap, and a Deployment that is never ready where `stuck` is set."""
    return write_chart(tmp_path / "tiny", "0.1.0")


def write_chart(folder: Path, version: str) -> Path:
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    about = {"apiVersion": "v2", "name": "tiny", "version": version, "appVersion": "7"}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(about))
    (folder / "templates/all.yaml").write_text(
        """
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data: {greeting: {{ .Values.greeting | default "none" | quote }}}
{{- if .Values.stuck }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      nodeSelector: {no: where}
      containers: [{name: c, image: c}]
{{- end }}
"""
    )
    return folder


@dataclass(frozen=True)
class Real:
    """Releases named `name`, each operation as a plugin of its own does it."""

    environment: Mapping[str, str]
    access: Access
    ear: Ear

    def new(self) -> HelmRelease:
        return HelmRelease(self.ear, self.environment, lambda: no_wait(self.access))

    def inputs(self, chart: Path, **more: Any) -> PropertyMap:
        asked = {"namespace": "apps", "createNamespace": True, "chart": str(chart), **more}
        return release_inputs.completed(typed(asked), name="one", namespace="default")

    def create(self, inputs: PropertyMap) -> sdk.CreateResponse:
        request = CreateRequest(URN, inputs, 0, preview=False)
        return asyncio.run(self.new().create(request))

    def update(self, inputs: PropertyMap) -> Object:
        request = UpdateRequest(URN, "apps/one", {}, inputs, 0, [], preview=False)
        return plain(asyncio.run(self.new().update(request)).properties)

    def read(self, inputs: PropertyMap) -> sdk.ReadResponse:
        request = ReadRequest(URN, "apps/one", {}, inputs)
        return asyncio.run(self.new().read(request))

    def delete(self, inputs: PropertyMap) -> None:
        request = DeleteRequest(URN, "apps/one", {}, 0)
        request.old_inputs = inputs
        asyncio.run(self.new().delete(request))


@pytest.fixture(scope="module")
def cluster(control_plane: Cluster) -> Iterator[Cluster]:
    """The tests' cluster, on which nothing of ours is left."""
    yield control_plane
    kubectl = Kubectl(control_plane.kubeconfig)
    kubectl("delete", "namespace", "apps", "engine", "--ignore-not-found")


@pytest.fixture
def real(cluster: Cluster, chart: Path) -> Iterator[Real]:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    access = Access(
        source="test",
        context="kwok-llm-d",
        cluster=config["clusters"][0]["cluster"],
        user=config["users"][0]["user"],
        namespace=None,
    )
    one = Real({**os.environ, PROGRAM: str(resolve("helm"))}, access, Ear())
    yield one
    one.delete(one.inputs(chart))


@pytest.mark.engine
def test_a_release_is_made_changed_read_and_removed(real: Real, chart: Path) -> None:
    made = real.create(real.inputs(chart, values={"greeting": "hi"}))
    write_chart(chart, "0.2.0")
    changed = real.update(real.inputs(chart))
    read = real.read(real.inputs(chart))
    real.delete(real.inputs(chart))
    gone = real.read(real.inputs(chart))

    assert made.resource_id == "apps/one"
    assert plain(made.properties)["status"] == {
        "appVersion": "7",
        "chart": "tiny",
        "name": "one",
        "namespace": "apps",
        "revision": 1,
        "status": "deployed",
        "version": "0.1.0",
    }
    assert plain(made.properties)["resourceNames"] == {"ConfigMap/v1": ["one"]}
    assert (changed["status"]["revision"], changed["version"]) == (2, "0.2.0")
    assert plain(read.properties)["status"] == changed["status"]
    assert not gone.resource_id


@pytest.mark.engine
def test_a_release_that_exists_is_not_taken_over(real: Real, chart: Path) -> None:
    real.create(real.inputs(chart))

    with pytest.raises(Failed, match=r"`apps/one` exists \(status deployed\): cannot re-use"):
        real.create(real.inputs(chart))


@pytest.mark.engine
def test_what_did_not_become_ready_stays_in_the_state_and_an_update_goes_on(
    real: Real, chart: Path
) -> None:
    with pytest.raises(NotInitialised) as caught:
        real.create(real.inputs(chart, values={"stuck": True}, timeout=1))

    assert caught.value.resource_id == "apps/one"
    assert plain(caught.value.properties)["status"]["status"] == "failed"
    assert real.update(real.inputs(chart))["status"]["status"] == "deployed"


@pytest.mark.engine
def test_an_atomic_release_that_failed_leaves_nothing(real: Real, chart: Path) -> None:
    inputs = real.inputs(chart, values={"stuck": True}, timeout=1, atomic=True)

    with pytest.raises(Failed):
        real.create(inputs)

    assert not real.read(inputs).resource_id


@pytest.mark.engine
def test_a_cancelled_installation_is_told_and_can_be_continued(real: Real, chart: Path) -> None:
    one, inputs = real.new(), real.inputs(chart, values={"stuck": True})

    async def cancel() -> None:
        work = asyncio.create_task(one.create(CreateRequest(URN, inputs, 0, preview=False)))
        while not (await real.new().read(ReadRequest(URN, "apps/one", {}, inputs))).resource_id:
            assert not work.done()
        await one.cancel()
        await work

    with pytest.raises(NotInitialised, match="canceled"):
        asyncio.run(cancel())

    assert real.update(real.inputs(chart))["status"]["status"] == "deployed"


@pytest.mark.engine
@pytest.mark.parametrize("ending", ["SIGTERM", "SIGKILL"])
def test_an_installation_that_was_killed_is_begun_anew(
    real: Real, chart: Path, tmp_path: Path, ending: str
) -> None:
    """As when the machine or the engine went away in the middle: nothing is in the state."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(json.dumps(real.access.kubeconfig()))

    async def kill() -> None:
        helm = await asyncio.create_subprocess_exec(
            *(resolve("helm"), "install", "one", str(chart), "--namespace=apps"),
            *("--create-namespace", "--set=stuck=true", "--wait", f"--kubeconfig={kubeconfig}"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        inputs = real.inputs(chart)
        while not (await real.new().read(ReadRequest(URN, "apps/one", {}, inputs))).resource_id:
            assert helm.returncode is None
        (helm.terminate if ending == "SIGTERM" else helm.kill)()
        await helm.wait()

    asyncio.run(kill())
    made = real.create(real.inputs(chart))

    assert plain(made.properties)["status"]["revision"] == 1
    assert "removing `apps/one`, whose installation was interrupted" in real.ear.said


@pytest.mark.engine
def test_an_upgrade_that_was_killed_is_rolled_back_first(
    real: Real, chart: Path, tmp_path: Path
) -> None:
    real.create(real.inputs(chart))
    inputs = real.inputs(chart, values={"stuck": True})
    helm, pid = tmp_path / "helm", tmp_path / "pid"
    helm.write_text(f'#!/bin/sh\necho $$ > {pid}\nexec {resolve("helm")} "$@"\n')
    helm.chmod(0o755)
    one = replace(real, environment={**real.environment, PROGRAM: str(helm)}).new()

    async def kill() -> None:
        request = UpdateRequest(URN, "apps/one", {}, inputs, 0, [], preview=False)
        work = asyncio.create_task(one.update(request))
        revision = 1
        while revision == 1:
            read = await real.new().read(ReadRequest(URN, "apps/one", {}, inputs))
            revision = plain(read.properties)["status"]["revision"]
        os.kill(int(pid.read_text()), signal.SIGKILL)
        with pytest.raises(NotInitialised, match="pending-upgrade: signal: killed"):
            await work

    asyncio.run(kill())

    assert real.update(real.inputs(chart))["status"]["status"] == "deployed"
    assert "rolling back `apps/one`, whose upgrade was interrupted" in real.ear.said


@pytest.mark.engine
def test_a_release_made_by_hand_can_be_imported(real: Real, chart: Path) -> None:
    real.create(real.inputs(chart, values={"greeting": "hi"}))

    read = real.read({})

    assert plain(read.inputs) == {
        "name": "one",
        "namespace": "apps",
        "chart": "tiny",
        "version": "0.1.0",
        "values": {"greeting": "hi"},
        "timeout": 300,
    }


@pytest.mark.engine
def test_a_cluster_that_is_not_there_is_named(chart: Path) -> None:
    environment = {**os.environ, PROGRAM: str(resolve("helm"))}

    with pytest.raises(Failed, match="Kubernetes cluster unreachable"):
        create(release(environment), {"chart": str(chart)})


PROGRAM_WITH_A_RELEASE = """
    import os
    import pulumi
    import pulumi_kubernetes as k8s
    from pulumi_kubernetes.helm.v3 import Release

    class Parent(pulumi.ComponentResource):
        def __init__(self):
            super().__init__("test:index:Parent", "parent")
            cluster = k8s.Provider("cluster", kubeconfig=os.environ["TO"], cluster_identifier="one")
            self.child = Release(
                "one",
                name="engine",
                namespace="engine",
                create_namespace=True,
                chart="./tiny",
                values={"greeting": pulumi.Output.secret("hf_secret")},
                opts=pulumi.ResourceOptions(parent=self, provider=cluster),
            )

    pulumi.export("revision", Parent().child.status.revision)
"""


@pytest.mark.engine
def test_a_release_lives_as_long_as_its_resource(tmp_path: Path, cluster: Cluster) -> None:
    reached, away = str(cluster.kubeconfig), str(tmp_path / "away")
    config = cluster.kubeconfig.read_text()
    Path(away).write_text(re.sub(r"server: .*", "server: https://127.0.0.1:1", config))
    program = Program.written(
        tmp_path / "project", PROGRAM_WITH_A_RELEASE, **{PROGRAM: str(resolve("helm"))}
    )
    chart = write_chart(tmp_path / "project/tiny", "0.1.0")
    up = ("up", "--yes", "--skip-preview")

    unreachable = program.pulumi("preview", TO=away)
    made = program.pulumi(*up, TO=reached)
    again = program.pulumi(*up, "--expect-no-changes", TO=reached)
    write_chart(chart, "0.2.0")
    upgraded = program.pulumi(*up, TO=reached)
    refreshed = program.pulumi("refresh", "--yes", "--expect-no-changes", TO=reached)
    state = program.state
    gone = program.pulumi("destroy", "--yes", "--skip-preview", TO=reached)

    assert "hf_secret" not in state
    for ran in (unreachable, made, again, upgraded, refreshed, gone):
        assert ran.returncode == 0, ran.stdout
        assert "hf_secret" not in ran.stdout
    assert "revision: 1" in " ".join(made.stdout.split())
    assert "revision: 1 => 2" in " ".join(upgraded.stdout.split())
