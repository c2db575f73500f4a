"""What is there before a stack is: the control plane with its nodes, and others' definitions."""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import tools
from components import gateways
from embedded.cluster import CONTEXT, Cluster
from rehearsal.script import Script
from stack import crds, monitoring
from stack.crd_bundles import CERT_MANAGER, KEDA, OPENSHIFT_ROUTE, CrdBundle
from stack.kinds import Provider
from stack.plan import Gateway, Plan
from tools import Missing

Object = dict[str, Any]

OTHERS = {"Certificate": CERT_MANAGER, "Route": OPENSHIFT_ROUTE}
"""Kind that a Gateway has beside it -> what defines it, and is not its provider's."""

BUILT_IN_PRIORITIES = frozenset({"system-cluster-critical", "system-node-critical"})
DEFINITION = "CustomResourceDefinition"
UNCOUNTED = frozenset(
    {
        "apiservices.apiregistration.k8s.io",
        "componentstatuses",
        "events",
        "events.events.k8s.io",
        "leases.coordination.k8s.io",
    }
)
"""What comes and goes by itself."""
PROVISIONED = "app.kubernetes.io/managed-by=rehearsal"
"""Label of the volumes that a storage class would have made."""
ESTABLISHED = """{{range .items}}{{$is := "False"}}{{range .status.conditions}}\
{{if eq .type "Established"}}{{$is = .status}}{{end}}{{end}}{{$is}} {{end}}"""
"""Of each definition whether the API server serves it: True or False."""
PAUSE_SECONDS = 0.3
SECONDS = 60.0
"""For one command of kubectl, which answers at once while the API server does."""


def bundles(plan: Plan, release: Mapping[str, CrdBundle]) -> Iterator[CrdBundle]:
    """Definitions that the stack counts on and does not install: those of a real cluster's owner.

    `release` are the stack's release's.
    """
    installed = {one.name for one in plan.providers.crds if not one.adopt}
    theirs = {**release, **{one.name: one.bundle for one in plan.providers.crds}}
    yield from (bundle for name, bundle in theirs.items() if name not in installed)
    provider = gateways.kinds()[plan.providers.gateway]
    if isinstance(provider, Provider) and not plan.providers.charts:
        yield from provider.definitions
    if isinstance(plan.entrance, Gateway):
        kinds = {one.kind for one in (*plan.entrance.beside, plan.entrance.route) if one}
        yield from (bundle for kind, bundle in OTHERS.items() if kind in kinds)
    asked = plan.monitoring
    if asked and asked.api == monitoring.OPERATOR and not asked.crds:
        yield monitoring.CRDS
    if any(one.service.scaling and one.service.scaling.by == "keda" for one in plan.models):
        yield KEDA


def surroundings(script: Script, release: Mapping[str, CrdBundle]) -> list[Object]:
    """What has to be there before the stack. StackError where a definition cannot be had."""
    found = [*counted_on(script.plan)]
    for bundle in bundles(script.plan, release):
        crds.fetch(bundle)
        found += crds.documents(bundle)
    return found


class Kind(NamedTuple):
    """Of custom resources."""

    name: str
    group: str
    version: str


def undefined(plan: Plan, there: Sequence[Object]) -> list[Kind]:
    """Kinds in which the stack tells others something, and which nothing defines that is there."""
    known = {
        (one["spec"]["names"]["kind"], one["spec"]["group"])
        for one in there
        if one["kind"] == DEFINITION
    }
    kinds = dict.fromkeys((*_of_gateway(plan), *_of_google(plan)))
    return [one for one in kinds if (one.name, one.group) not in known]


def _of_gateway(plan: Plan) -> Iterator[Kind]:
    if plan.providers.charts:
        return  # they bring definitions along
    entrance = plan.entrance
    told = [one for model in plan.models for one in model.pool.beside]
    if isinstance(entrance, Gateway):
        told += [one for one in (entrance.parameters, *entrance.beside) if one]
    for one in told:
        group, _, version = one.api_version.rpartition("/")
        # The others are Kubernetes' own, or what every provider is told in.
        if "." in group and not group.endswith("k8s.io"):
            yield Kind(one.kind, group, version)


def _of_google(plan: Plan) -> Iterator[Kind]:
    if plan.monitoring and plan.monitoring.managed_by_google:
        group, _, version = plan.monitoring.api.rpartition("/")
        yield from (Kind(name, group, version) for name in ("PodMonitoring", "Rules"))


def anything(kind: Kind) -> Object:
    """A definition of it that takes whatever an object says."""
    plural = kind.name.lower()
    return {
        **_object("apiextensions.k8s.io/v1", DEFINITION, f"{plural}.{kind.group}"),
        "spec": {
            "group": kind.group,
            "scope": "Namespaced",
            "names": {"kind": kind.name, "plural": plural, "singular": plural},
            "versions": [
                {
                    "name": kind.version,
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "x-kubernetes-preserve-unknown-fields": True,
                        }
                    },
                }
            ],
        },
    }


def counted_on(plan: Plan) -> Iterator[Object]:
    """Objects that the stack names and does not make, as far as a pod is not placed without."""
    services = [model.service for model in plan.models]
    priorities = {one.pods.priority_class or "" for one in services}
    for name in sorted(priorities - {"", *BUILT_IN_PRIORITIES}):
        yield _object("scheduling.k8s.io/v1", "PriorityClass", name) | {"value": 1}
    if plan.namespace.create:
        return  # what is in it cannot be there before it
    yield _object("v1", "Namespace", plan.namespace.name)
    for name in sorted({one.account for one in services if one.pods.service_account}):
        yield _object("v1", "ServiceAccount", name, plan.namespace.name)
    theirs = {one.files.claim: one.files.size for one in services if not one.files.created}
    for name, size in theirs.items():
        if name:
            asked = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": size}}}
            claim = _object("v1", "PersistentVolumeClaim", name, plan.namespace.name)
            yield claim | {"spec": asked}


def _object(api: str, kind: str, name: str, namespace: str | None = None) -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api, "kind": kind, "metadata": metadata}


@dataclass(frozen=True)
class Stage:
    """The cluster of a rehearsal, by kubectl. Missing where it fails."""

    cluster: Cluster

    def set(self, script: Script, objects: Sequence[Object]) -> None:
        """Have the nodes, and what else a real cluster would have."""
        self.cluster.up(script.nodes)
        if objects:
            self._apply(objects)
            self._await_definitions()

    def _await_definitions(self) -> None:
        # Not by `kubectl wait`, which fails at one that has no conditions yet.
        deadline = time.monotonic() + SECONDS
        while "False" in self._kubectl("get", "crds", "-o", f"go-template={ESTABLISHED}"):
            if time.monotonic() > deadline:
                raise Missing(
                    "definitions of the rehearsal",
                    f"the API server did not serve all of them after {SECONDS:.0f} s",
                    way_out="rehearse again when this machine has less to do",
                )
            time.sleep(PAUSE_SECONDS)

    def _apply(self, objects: Sequence[Object]) -> None:
        # By the API server's own rules alone: kubectl's refuse a definition that OpenShift has.
        self._kubectl(
            *("apply", "--server-side", "--validate=ignore", "--filename=-"), stdin=listed(objects)
        )

    def get(self, kinds: str) -> list[Object]:
        """All objects of some kinds, `pods,nodes`."""
        return json.loads(self._kubectl("get", kinds, "--all-namespaces", "-o", "json"))["items"]

    def provision(self, objects: Sequence[Object]) -> None:
        """Have a volume for each claim that waits for one, as storage classes would make it."""
        claims = [one for one in objects if one["kind"] == "PersistentVolumeClaim"]
        if waiting := [volume(one) for one in claims if one["status"]["phase"] == "Pending"]:
            self._apply(waiting)

    def inventory(self) -> dict[str, str]:
        """UID -> kind, namespace and name of everything that there is and was not provided."""
        kinds = self._kubectl("api-resources", "--verbs=list", "--output=name").split()
        counted = ",".join(kind for kind in kinds if kind not in UNCOUNTED)
        row = "{.metadata.uid}{' '}{.kind}{' '}{.metadata.namespace}{'/'}{.metadata.name}{'\\n'}"
        rows = self._kubectl(
            *("get", counted, "--all-namespaces", "--ignore-not-found"),
            f"--selector={PROVISIONED.replace('=', '!=')}",
            *("-o", f"jsonpath={{range .items[*]}}{row}{{end}}"),
        )
        pairs = (line.split(" ", 1) for line in rows.splitlines())
        return {uid: name.replace(" /", " ") for uid, name in pairs}

    def warnings(self, objects: Sequence[Object]) -> list[str]:
        """What the API server has to say to objects that it has taken; nothing is changed."""
        if not objects:
            return []
        again = ("apply", "--server-side", "--dry-run=server", "--force-conflicts", "--filename=-")
        # In one stream, each warning stands before its object.
        said = self._run(*again, stdin=listed(objects), errors=subprocess.STDOUT)
        return attributed(said.stdout.splitlines())

    def _run(
        self, *words: str, stdin: str = "", errors: int = subprocess.PIPE
    ) -> "subprocess.CompletedProcess[str]":
        cache = f"--cache-dir={self.cluster.root / 'kubectl'}"
        where = (f"--kubeconfig={self.cluster.kubeconfig}", f"--context={CONTEXT}", cache)
        try:
            return subprocess.run(  # noqa: S603 - our words, and no shell reads them
                [tools.resolve("kubectl"), *where, *words],
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Missing(
                f"kubectl {words[0]}",
                f"no answer from the rehearsal's control plane after {SECONDS:.0f} s",
                way_out="rehearse again when this machine has less to do",
            ) from error

    def _kubectl(self, *words: str, stdin: str = "") -> str:
        done = self._run(*words, stdin=stdin)
        if done.returncode:
            raise Missing(
                f"kubectl {words[0]}",
                "failed on the rehearsal's control plane",
                said=done.stderr.strip(),
                way_out="mend what it says, and rehearse again",
            )
        return done.stdout


def volume(claim: Object) -> Object:
    """Bound to the claim."""
    spec = claim["spec"]
    metadata = claim["metadata"]
    key, value = PROVISIONED.split("=")
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": f"rehearsal-{metadata['uid']}",
            "labels": {key: value},
        },
        "spec": {
            "capacity": spec["resources"]["requests"],
            "accessModes": spec["accessModes"],
            "storageClassName": spec.get("storageClassName") or "",
            "claimRef": {
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "hostPath": {"path": "/nonexistent"},
        },
    }


def listed(objects: Sequence[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def attributed(lines: Sequence[str]) -> list[str]:
    """Warnings as kubectl prints them, each before the object that it is about; and refusals."""
    found: list[str] = []
    waiting: list[str] = []
    for line in lines:
        if line.startswith("Warning: "):
            waiting.append(line.removeprefix("Warning: "))
        elif line.startswith("Error"):
            found.append(line)
        else:
            found += [f"{line.split(' ')[0]}: {one}" for one in waiting]
            waiting = []
    return found + waiting
