"""The front door to a Go process in a Pod: one ephemeral container beside it, with the process's own user and no rights at all.

>>> process = open_in_pod(client, "shop", "operator-0", asked=lambda text: True)          # doctest: +SKIP
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ghostkey.census.remote import RemoteProcess, asked, program
from ghostkey.kube.client import ApiClient
from ghostkey.kube.exec_stream import ExecStream
from ghostkey.model.errors import AccessDenied, ApiFailed, GhostkeyError, NotFound, Refused

IMAGE = "python:3-slim"
LIVES_SECONDS = 3600  # how long the container stays; the API cannot remove it
START_SECONDS = 120.0  # for the image to be pulled, and the container to start
RETRY_SECONDS = 1.0
ANSWER_SECONDS = 900.0
STRATEGIC_MERGE = "application/strategic-merge-patch+json"
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_OTHER_WAYS = "kubectl debug node/NODE -it --image=python:3-slim --profile=sysadmin; or gcore and maps --core; or ghostkey pprof"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process runs: the Pod, the container whose process it is, and the user that it runs as."""

    namespace: str
    pod: str
    container: str
    uid: int
    image: str

    @property
    def name(self) -> str:
        """The name of our container for it: the same container and user share one."""
        return f"ghostkey-{self.uid}-{self.container}"[:50].rstrip("-")


def open_in_pod(
    client: ApiClient, namespace: str, pod: str, *, container: str = "", image: str = "", uid: int | None = None,
    agreed: Callable[[str], bool],
) -> RemoteProcess:  # fmt: skip
    """The Go process of a container, read by a helper beside it.

    Makes an ephemeral container unless one of ours is there; `agreed` is told what, and has to say yes, for the API cannot take
    it back. Raises Refused when it does not, AccessDenied and ApiFailed with what the cluster says and what works instead.
    """
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
    found = client.get_object(path)
    if found is None:
        raise NotFound(f"Pod {pod} not found in namespace {namespace!r}", "kubectl get pods -A")
    target = _target(found, container)
    user = uid if uid is not None else _uid(found, target)
    if user is None:
        raise Refused(
            f"nothing says as which user container {target} of Pod {pod} runs: its image does",
            f"name it with --uid: kubectl exec {pod} -c {target} -- id -u",
        )
    place = Place(namespace, pod, target, user, image or IMAGE)
    ours = _ours(found, place)
    if not ours:
        ours = _make(client, path, found, place, agreed)
    stream = _connect(client, place, ours)
    return RemoteProcess(asked(stream.send, stream.line), f"pod/{pod}", stream.close)


def _target(pod: dict[str, Any], container: str) -> str:
    names = [str(one.get("name")) for one in pod["spec"].get("containers", ())]
    if container:
        if container not in names:
            raise NotFound(f"Pod {pod['metadata']['name']} has no container {container!r}", f"it has {', '.join(names)}")
        return container
    chosen = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER, "")
    return chosen if chosen in names else names[0]


def _uid(pod: dict[str, Any], container: str) -> int | None:
    """The user by the spec of the container, or of the Pod, or by what the kubelet says."""
    spec = next(one for one in pod["spec"]["containers"] if one["name"] == container)
    for context in (spec.get("securityContext"), pod["spec"].get("securityContext")):
        if context and isinstance(context.get("runAsUser"), int):
            return int(context["runAsUser"])
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        linux = (status.get("user") or {}).get("linux") or {}
        if status.get("name") == container and isinstance(linux.get("uid"), int):
            return int(linux["uid"])
    return None


def _ours(pod: dict[str, Any], place: Place) -> str:
    """The name of a container that we made before and that has not ended; empty when there is none."""
    ended = {
        status["name"]
        for status in (pod.get("status") or {}).get("ephemeralContainerStatuses") or ()
        if "terminated" in (status.get("state") or {})
    }
    for one in pod["spec"].get("ephemeralContainers") or ():
        name = str(one.get("name"))
        if name.startswith(place.name) and one.get("targetContainerName") == place.container and name not in ended:
            return name
    return ""


def ephemeral_container(place: Place, name: str) -> dict[str, Any]:
    """The container as it is asked for: the process's own user, no capabilities, the runtime's seccomp profile.

    Source: Pod Security Standards, restricted; Kubernetes API, EphemeralContainer.
    """
    return {
        "name": name,
        "image": place.image,
        "command": ["python3", "-c", f"import time; time.sleep({LIVES_SECONDS})"],
        "targetContainerName": place.container,
        "securityContext": {
            "runAsUser": place.uid,
            **({"runAsNonRoot": True} if place.uid else {}),
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _make(client: ApiClient, path: str, pod: dict[str, Any], place: Place, agreed: Callable[[str], bool]) -> str:
    taken = {str(one.get("name")) for one in pod["spec"].get("ephemeralContainers") or ()}
    name = next(n for n in (place.name, *(f"{place.name}-{i}" for i in range(2, 1000))) if n not in taken)
    said = (
        f"an ephemeral container {name} ({place.image}, uid {place.uid}, no capabilities) will be added to Pod {place.pod} beside "
        f"{place.container}; it ends by itself after {LIVES_SECONDS // 60} minutes and stays in the Pod's spec, since the API cannot remove it"
    )
    if not agreed(said):
        raise Refused("nothing was changed: the container was not agreed to", "add --yes to agree")
    body = {"spec": {"ephemeralContainers": [ephemeral_container(place, name)]}}
    try:
        client.write("PATCH", f"{path}/ephemeralcontainers", json.dumps(body).encode(), STRATEGIC_MERGE)
    except AccessDenied as error:
        raise AccessDenied(
            str(error), f"ghostkey rbac --for maps -n {place.namespace} prints the rights; {_OTHER_WAYS}", error.status
        ) from None
    except ApiFailed as error:
        raise ApiFailed(str(error), error.hint or _OTHER_WAYS, error.status, error.reason) from None
    return name


def _connect(client: ApiClient, place: Place, name: str) -> ExecStream:
    """The helper in our container, once that runs; what is said until then is only told when it never does."""
    code, payload = program()
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            stream = ExecStream(client, place.namespace, place.pod, name, ["python3", "-I", "-c", code], ANSWER_SECONDS)
        except AccessDenied:
            raise
        except GhostkeyError as error:
            if time.monotonic() > deadline:
                hint = (
                    f"kubectl describe pod {place.pod} -n {place.namespace} says why container {name} does not run; {_OTHER_WAYS}"
                )
                raise ApiFailed(f"no helper in container {name} within {START_SECONDS:.0f} s: {error}", hint) from None
            time.sleep(RETRY_SECONDS)
            continue
        stream.send(payload)
        return stream
