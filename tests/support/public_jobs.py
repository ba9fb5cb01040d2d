"""Public training jobs as features: the fields that their manifests use, with names and values of this project.

`features` reads a manifest's features, `manifest` creates an equivalent manifest from them; the table in
`tests/jobs/data/public_jobs.json` names the source of each row. No file is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]
TYPE_KEYS = (
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
    "sagemaker.amazonaws.com/compute-type",
)
DEVICES = ("nvidia.com/gpu", "aws.amazon.com/neuron", "aws.amazon.com/neurondevice", "aws.amazon.com/neuroncore")
SOURCES = (
    "hostPath",
    "persistentVolumeClaim",
    "emptyDir",
    "configMap",
    "secret",
    "nfs",
    "csi",
    "downwardAPI",
    "projected",
)


def features(job: Json) -> dict[str, Any]:
    """The features of a job's manifest."""
    spec, metadata = job["spec"], job.get("metadata") or {}
    name = metadata.get("name")
    row: dict[str, Any] = {"kind": str(job["kind"]).replace("HyperPodPytorchJob", "HyperPodPyTorchJob")}
    row["object"] = _some(
        namespace=_namespace(metadata.get("namespace")),
        labels=sorted(_label(key) for key in metadata.get("labels") or {}),
        annotations={
            key: str(value) for key, value in (metadata.get("annotations") or {}).items() if "sagemaker" in key
        },
        notes=len([key for key in metadata.get("annotations") or {} if "sagemaker" not in key]),
        processes=str(spec["nprocPerNode"]) if spec.get("nprocPerNode") else None,
        elastic=dict(spec["elasticPolicy"]) if spec.get("elasticPolicy") else None,
    )
    roles: dict[str, Any] = {}
    if "replicaSpecs" in spec:
        row["object"] |= _some(policy=_policy(spec.get("runPolicy") or {}))
        roles = {
            replica_spec["name"]: (replica_spec.get("replicas"), {}, replica_spec["template"])
            for replica_spec in spec["replicaSpecs"]
        }
    elif "pytorchReplicaSpecs" in spec:
        row["object"] |= _some(policy=_policy(spec.get("runPolicy") or {}))
        roles = {
            role: (item.get("replicas"), _some(restart=item.get("restartPolicy")), item["template"])
            for role, item in spec["pytorchReplicaSpecs"].items()
        }
    else:
        policy = {key: value for key, value in spec.items() if key not in ("template", "parallelism")}
        row["object"] |= _some(policy=policy)
        roles = {"main": (spec.get("parallelism"), {}, spec["template"])}
    pods = []
    for index, (role, (count, extra, template)) in enumerate(roles.items()):
        spec_name = role if row["kind"] == "PyTorchJob" else f"part-{index}"
        pods.append({"role": spec_name, "replicas": count, **extra, **_pod(template, name)})
    row["pods"] = pods
    return row


def _some(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, [], {}, False, 0, "")}


def _namespace(namespace: str | None) -> str | None:
    if namespace in (None, "default"):
        return None
    return "hyperpod-ns-team" if namespace.startswith("hyperpod-ns-") else "training"


def _label(key: str) -> str:
    return key if key.startswith("kueue") else "app" if key == "app" else "own"


def _policy(policy: Json) -> dict[str, Any]:
    found = {key: value for key, value in policy.items() if key != "logMonitoringConfiguration"}
    rules = policy.get("logMonitoringConfiguration") or []
    return found | _some(
        rules=[{key: rule[key] for key in rule if key not in ("name", "logPattern")} for rule in rules]
    )


def _pod(template: Json, job: str | None) -> dict[str, Any]:
    spec, metadata = template["spec"], template.get("metadata") or {}
    labels = metadata.get("labels") or {}
    selector = spec.get("nodeSelector") or {}
    main, *others = spec["containers"]
    simple = ("hostNetwork", "hostIPC", "hostPID", "restartPolicy", "dnsPolicy", "schedulerName", "priorityClassName")
    return _some(
        labels=sorted(f"{_label(key)}{'=name' if value == job else ''}" for key, value in labels.items()),
        annotations=len(metadata.get("annotations") or {}),
        spec={key: spec[key] for key in (*simple, "terminationGracePeriodSeconds") if spec.get(key)},
        account=bool(spec.get("serviceAccountName")),
        pull_secrets=len(spec.get("imagePullSecrets") or ()),
        security=dict(spec.get("securityContext") or {}),
        selector=[f"{key}={selector[key]}" if key in TYPE_KEYS else "own" for key in selector],
        tolerations=[
            {**toleration, "key": "dedicated"} if toleration.get("key") else dict(toleration)
            for toleration in spec.get("tolerations") or ()
        ],
        affinity=_affinity(spec.get("affinity")),
        spread=[
            {k: v for k, v in constraint.items() if k != "labelSelector"}
            for constraint in spec.get("topologySpreadConstraints") or ()
        ],
        volumes=[_volume(volume) for volume in spec.get("volumes") or ()],
        main=_container(main, spec),
        sidecars=[_container(other, spec) for other in others],
        init=[_container(init_container, spec) for init_container in spec.get("initContainers") or ()],
    )


def _affinity(value: Any) -> Any:
    """An affinity with pod labels of this project."""
    if isinstance(value, dict):
        return {key: {"app": NAME} if key == "matchLabels" else _affinity(item) for key, item in value.items()}
    return [_affinity(item) for item in value] if isinstance(value, list) else value


def _volume(volume: Json) -> dict[str, Any]:
    source = next((key for key in SOURCES if key in volume), "emptyDir")
    content = volume.get(source) or {}
    names = ("type", "medium", "sizeLimit", "defaultMode", "readOnly", "optional")
    return {"source": source} | _some(
        **{key: content[key] for key in names if key in content}, items=len(content.get("items") or ())
    )


def _container(recipe: Json, spec: Json) -> dict[str, Any]:
    order = [volume["name"] for volume in spec.get("volumes") or ()]
    env = recipe.get("env") or []
    return _some(
        name="pytorch" if recipe.get("name") == "pytorch" else "own",
        words=len(recipe.get("command") or ()),
        script=any("\n" in str(word) for word in (*(recipe.get("command") or ()), *(recipe.get("args") or ()))),
        args=len(recipe.get("args") or ()),
        pull=recipe.get("imagePullPolicy"),
        env=[
            "field"
            if (s := entry.get("valueFrom")) and "fieldRef" in s
            else next(iter(s))
            if s
            else "reference"
            if "$(" in str(entry.get("value"))
            else "text"
            for entry in env
        ],
        env_from=[next(key for key in entry if key != "prefix") for entry in recipe.get("envFrom") or ()],
        ports=[
            {k: v for k, v in port.items() if k != "name"} | ({"name": "p"} if port.get("name") else {})
            for port in recipe.get("ports") or ()
        ],
        requests=dict((recipe.get("resources") or {}).get("requests") or {}),
        limits=dict((recipe.get("resources") or {}).get("limits") or {}),
        security=recipe.get("securityContext"),
        workdir=bool(recipe.get("workingDir")),
        restart=recipe.get("restartPolicy"),
        tty=bool(recipe.get("tty")),
        mounts=[
            [
                order.index(mount["name"]) if mount["name"] in order else -1,
                mount["mountPath"] if mount["mountPath"] == "/dev/shm" else "own",
            ]
            + ["sub"] * bool(mount.get("subPath"))
            + ["read"] * bool(mount.get("readOnly"))
            for mount in recipe.get("volumeMounts") or ()
        ],
    )


# ----- and back


API = {"HyperPodPyTorchJob": "sagemaker.amazonaws.com/v1", "PyTorchJob": "kubeflow.org/v1", "Job": "batch/v1"}
NAME = "public-job"


def manifest(row: Json) -> dict[str, Any]:
    """Return a manifest that has the features of a row, with names and values of this project."""
    kind, of = row["kind"], row["object"]
    labels = {
        (f"example.com/own-{index}" if key == "own" else key): _value(key)
        for index, key in enumerate(of.get("labels", ()))
    }
    notes = {f"example.com/note-{index}": f"note {index}" for index in range(of.get("notes", 0))}
    metadata = {"name": NAME} | _some(
        namespace=of.get("namespace"), labels=labels, annotations={**of.get("annotations", {}), **notes}
    )
    spec: dict[str, Any] = _some(nprocPerNode=of.get("processes"), elasticPolicy=of.get("elastic"))
    policy = dict(of.get("policy") or {})
    rules = policy.pop("rules", None)
    if rules:
        policy["logMonitoringConfiguration"] = [
            {"name": f"rule-{index}", "logPattern": "step ([0-9]+)", **rule} for index, rule in enumerate(rules)
        ]
    if kind == "Job":
        (pod,) = row["pods"]
        spec |= policy | _some(parallelism=pod.get("replicas")) | {"template": _template(pod)}
    else:
        spec |= _some(runPolicy=policy)
        parts = [
            {**_some(replicas=pod.get("replicas"), restartPolicy=pod.get("restart")), "template": _template(pod)}
            for pod in row["pods"]
        ]
        names = [pod["role"] for pod in row["pods"]]
        if kind == "HyperPodPyTorchJob":
            spec["replicaSpecs"] = [{"name": name, **part} for name, part in zip(names, parts, strict=True)]
        else:
            spec["pytorchReplicaSpecs"] = dict(zip(names, parts, strict=True))
    return {"apiVersion": API[kind], "kind": kind, "metadata": metadata, "spec": spec}


def _value(key: str) -> str:
    known = {
        "kueue.x-k8s.io/queue-name": "hyperpod-ns-team-localqueue",
        "kueue.x-k8s.io/priority-class": "high-priority",
    }
    return known.get(key, "value")


def _template(pod: Json) -> dict[str, Any]:
    labels = {}
    for index, label in enumerate(pod.get("labels", ())):
        key, _, label_value = label.partition("=")
        labels[f"example.com/pod-{index}" if key == "own" else key] = NAME if label_value else _value(key)
    selector = dict(
        item.split("=", 1) if "=" in item else (f"example.com/{index}", "a")
        for index, item in enumerate(pod.get("selector", ()))
    )
    sidecars = [_build(sidecar, f"side-{index}") for index, sidecar in enumerate(pod.get("sidecars", ()))]
    spread = [{**item, "labelSelector": {"matchLabels": {"app": NAME}}} for item in pod.get("spread", ())]
    spec = {**pod.get("spec", {})} | _some(
        serviceAccountName="trainer" if pod.get("account") else None,
        imagePullSecrets=[{"name": f"pull-{index}"} for index in range(pod.get("pull_secrets", 0))],
        securityContext=pod.get("security"),
        nodeSelector=selector,
        tolerations=pod.get("tolerations"),
        affinity=pod.get("affinity"),
        topologySpreadConstraints=spread,
        volumes=[_source(volume, index) for index, volume in enumerate(pod.get("volumes", ()))],
        containers=[_build(pod["main"], "trainer"), *sidecars],
        initContainers=[_build(item, f"init-{index}") for index, item in enumerate(pod.get("init", ()))],
    )
    annotations = {f"example.com/pod-{index}": "x" for index in range(pod.get("annotations", 0))}
    return _some(metadata=_some(labels=labels, annotations=annotations), spec=spec)


def _source(recipe: Json, index: int) -> dict[str, Any]:
    source, content = recipe["source"], {key: value for key, value in recipe.items() if key not in ("source", "items")}
    names = {
        "hostPath": {"path": f"/mnt/data-{index}"},
        "persistentVolumeClaim": {"claimName": f"claim-{index}"},
        "configMap": {"name": f"config-{index}"},
        "secret": {"secretName": f"secret-{index}"},
        "nfs": {"server": "files.example.com", "path": "/export"},
        "csi": {"driver": "csi.example.com"},
    }
    items = [{"key": f"key-{item}", "path": f"file-{item}"} for item in range(recipe.get("items", 0))]
    return {"name": f"volume-{index}", source: {**names.get(source, {}), **content, **_some(items=items)}}


def _build(recipe: Json, name: str) -> dict[str, Any]:
    command = ["run"] * recipe.get("words", 0)
    args = [f"--option-{index}=1" for index in range(recipe.get("args", 0))]
    if recipe.get("script"):
        words = args or command
        words[-1] = "set -e\necho \"${NNODES:-1}\" '$HOME'\ntrain --all\n"
    sources = {
        "field": {"valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        "secretKeyRef": {"valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}},
        "configMapKeyRef": {"valueFrom": {"configMapKeyRef": {"name": "config", "key": "mode"}}},
        "resourceFieldRef": {"valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        "reference": {"value": "$(VAR_0)/logs"},
        "text": {"value": "1"},
    }
    env = [{"name": f"VAR_{index}", **sources[kind]} for index, kind in enumerate(recipe.get("env", ()))]
    references = {"configMapRef": {"name": "defaults"}, "secretRef": {"name": "keys"}}
    mounts = []
    for index, (volume, place, *options) in enumerate(recipe.get("mounts", ())):
        path = place if place != "own" else f"/data/{index}"
        mount = {"name": f"volume-{volume}", "mountPath": path}
        mounts.append(mount | _some(subPath="sub/folder" if "sub" in options else None, readOnly="read" in options))
    return {"name": recipe["name"] if recipe["name"] == "pytorch" else name, "image": "registry/train:v1"} | _some(
        command=command,
        args=args,
        imagePullPolicy=recipe.get("pull"),
        env=env,
        envFrom=[{key: references[key]} for key in recipe.get("env_from", ())],
        ports=recipe.get("ports"),
        resources=_some(requests=recipe.get("requests"), limits=recipe.get("limits")),
        securityContext=recipe.get("security"),
        workingDir="/work" if recipe.get("workdir") else None,
        restartPolicy=recipe.get("restart"),
        tty=recipe.get("tty"),
        volumeMounts=mounts,
    )
