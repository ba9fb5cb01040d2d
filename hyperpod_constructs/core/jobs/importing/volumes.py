"""Converts volumes of a pod template to volumes of a job, with one entry per mount of the main container."""

from __future__ import annotations

from .amounts import Data, gib


def read_volumes(spec: Data, main: Data) -> list[Data]:
    """Returns the volumes whose source has a field, one entry per mount; other volumes are kept in the patches."""
    sources: dict[str, Data] = {}
    kept = []
    claims: set[str] = set()
    for volume in spec.pop("volumes", None) or ():
        source = _source(volume)
        if source is None:
            kept.append(volume)
            continue
        sources[volume["name"]] = source
        if (volume.get("persistentVolumeClaim") or {}).get("readOnly"):
            claims.add(volume["name"])
    if kept:
        spec["volumes"] = kept
    entries: list[Data] = []
    left = []
    for mount in main.pop("volumeMounts", None) or ():
        name = mount.get("name")
        if name not in sources or not set(mount) <= {"name", "mountPath", "subPath", "readOnly"}:
            left.append(mount)
            continue
        entry = {"name": name, "mount_path": mount["mountPath"], **sources[name]}
        if mount.get("subPath"):
            entry["sub_path"] = mount["subPath"]
        if mount.get("readOnly") or name in claims:
            entry["read_only"] = True
        entries.append(entry)
    mounted = {entry["name"] for entry in entries}
    entries += [
        {"name": name, **source, **({"read_only": True} if name in claims else {})}
        for name, source in sources.items()
        if name not in mounted
    ]
    if left:
        main["volumeMounts"] = left
    return entries


def _source(volume: Data) -> Data | None:
    kinds = [key for key, value in volume.items() if key != "name" and value is not None]
    if not kinds:
        return {"empty_dir": {}}  # the default source in Kubernetes
    kind, content = kinds[0], dict(volume[kinds[0]] or {})
    if kind == "hostPath":
        type_ = content.get("type")
        return {"host_path": content.get("path"), **({"host_path_type": type_} if type_ else {})}
    if kind == "persistentVolumeClaim":
        return {"claim": content.get("claimName")}
    if kind == "emptyDir":
        if content.get("medium") not in (None, "", "Memory"):
            return None
        size = gib(content.get("sizeLimit"))
        if content.get("sizeLimit") is not None and size is None:
            return None
        memory = {"memory": True} if content.get("medium") else {}
        return {"empty_dir": {**memory, **({"size_gib": size} if size is not None else {})}}
    if kind == "nfs" and not content.get("readOnly"):
        return {"nfs": {"server": content.get("server"), "path": content.get("path")}}
    if kind in ("secret", "configMap"):
        return _files(kind, content)
    return None


def _files(kind: str, content: Data) -> Data | None:
    items = content.get("items") or []
    if content.get("optional") or any(set(item) != {"key", "path"} for item in items):
        return None
    name = content.get("secretName") if kind == "secret" else content.get("name")
    found: Data = {"secret" if kind == "secret" else "config_map": name}
    mode = content.get("defaultMode")
    if mode is not None and mode != 0o644:
        found["file_mode"] = f"{mode:04o}"
    if items:
        found["files"] = {item["key"]: item["path"] for item in items}
    return found
