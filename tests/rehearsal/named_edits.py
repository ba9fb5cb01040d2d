"""Ordinary edits by name, applied in sequence to any config: earlier edits add what later ones change or remove."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ordinary_edits import Config

from hyperpod_constructs.core import catalog

NEW_IMAGE = "111122223333.dkr.ecr.us-west-2.amazonaws.com/train:v2"
SOME_CHART = {
    "repository": "https://github.com/aws/sagemaker-hyperpod-cli",
    "path": "helm_chart/HyperPodHelmChart",
    "commit": "0123456789abcdef0123456789abcdef01234567",
    "digest": "sha256:" + "0123456789abcdef" * 4,
}
"""Another commit of the dependency chart. Its digest is made up: a rehearsal downloads no chart."""


def start(config: Config) -> Config:
    """The config of the first deployment: with the training operator, and one Kubernetes version below the newest."""
    config.setdefault("addons", {}).setdefault("training_operator", {})
    config.pop("jobs", None)
    if "existing" not in config["eks"]:
        config["eks"]["kubernetes_version"] = _versions()[-2]
    return config


def _versions() -> list[str]:
    default = catalog.default_kubernetes_version().version
    every = sorted(catalog.kubernetes_versions(), key=lambda text: int(text.partition(".")[2]))
    return every[: every.index(default) + 1]


def _raise_kubernetes(config: Config) -> None:
    if "existing" in config["eks"]:
        raise NotApplicable("the EKS cluster is somebody else's")
    config["eks"]["kubernetes_version"] = _versions()[-1]


class NotApplicable(Exception):
    """Raised if the config has nothing that an edit could change."""


def _last(config: Config) -> dict[str, Any]:
    group: dict[str, Any] = config["cluster"]["instance_groups"][-1]
    return group


def _typed(config: Config) -> str:
    """An instance type of the platform's groups."""
    groups = config["cluster"]["instance_groups"]
    return str(next(group["instance_type"] for group in reversed(groups) if group.get("count", 1)))


def _add_job(config: Config) -> None:
    config["jobs"] = [
        {
            "name": "probe",
            "image": NEW_IMAGE.replace("v2", "v1"),
            "instance_type": _typed(config),
            "nodes": 1,
            "command": ["python", "train.py"],
        }
    ]


def _change(part: str, **fields: Any) -> Callable[[Config], None]:
    def edit(config: Config) -> None:
        config[part][0] |= fields

    return edit


def _free_addon(config: Config) -> str:
    names = ("metrics_server", "ebs_csi", "cloudwatch_observability", "mountpoint_s3_csi")
    return next(name for name in names if name not in config["addons"])


def _add_addon(config: Config) -> None:
    config["addons"][_free_addon(config)] = {}


def _remove_addon(config: Config) -> None:
    """The added file system: no other resource requires it."""
    name = [name for name in config["addons"] if name in ("metrics_server", "ebs_csi", "cloudwatch_observability")][-1]
    del config["addons"][name]


def _add_team(config: Config) -> None:
    config["addons"].setdefault("task_governance", {})
    teams = config.setdefault("governance", {}).setdefault("teams", [])
    teams.append({"name": "added", "quota": [{"instance_type": _typed(config), "count": 1}]})


def _rename_team(config: Config) -> None:
    config["governance"]["teams"][-1]["name"] = "renamed"


def _remove_team(config: Config) -> None:
    config["governance"]["teams"].pop()


def _add_file_system(config: Config) -> None:
    config["addons"].setdefault("fsx_csi", {})
    system = {"name": "added", "size_gib": 1200, "namespaces": ["default"]}
    config.setdefault("storage", {}).setdefault("lustre", []).append(system)


def _rename_file_system(config: Config) -> None:
    config["storage"]["lustre"][-1]["name"] = "renamed"


def _remove_file_system(config: Config) -> None:
    config["storage"]["lustre"].pop()


def _add_group(config: Config) -> None:
    config["cluster"]["instance_groups"].append({"name": "added", "instance_type": "ml.m5.2xlarge", "count": 1})


def _add_zone(config: Config) -> None:
    zones = config["network"].get("availability_zone_ids")
    if not zones:
        raise NotApplicable("the network is somebody else's")
    prefix = zones[0].rpartition("-")[0]
    zones.append(next(f"{prefix}-az{n}" for n in (1, 2, 3, 4, 5, 6) if f"{prefix}-az{n}" not in zones))


def _chart(**fields: Any) -> Callable[[Config], None]:
    def edit(config: Config) -> None:
        config["dependencies"] = {**(config.get("dependencies") or {}), **fields}

    return edit


EDITS: dict[str, Callable[[Config], None]] = {
    "Kubernetes version raised": _raise_kubernetes,
    "job added": _add_job,
    "job changed": _change("jobs", image=NEW_IMAGE),
    "job renamed": _change("jobs", name="renamed"),
    "add-on added": _add_addon,
    "team added": _add_team,
    "file system added": _add_file_system,
    "group added": _add_group,
    "group resized": lambda config: _last(config).update(count=2),
    "group renamed": lambda config: _last(config).update(name="renamed"),
    "zone added": _add_zone,
    "chart values changed": _chart(mpi_operator=False),
    "chart version raised": _chart(chart=SOME_CHART),
    "team renamed": _rename_team,
    "file system renamed": _rename_file_system,
    "team removed": _remove_team,
    "file system removed": _remove_file_system,
    "job removed": lambda config: config.pop("jobs"),
    "group removed": lambda config: config["cluster"]["instance_groups"].pop(),
    "add-on removed": _remove_addon,
}
"""What an ordinary edit is called, to what it does to a config in place; in an order in which each finds its object."""
