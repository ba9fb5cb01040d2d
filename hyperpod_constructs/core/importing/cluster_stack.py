"""Converts the official CLI's `cluster-stack` config, in all its versions.

Before the release of 2025-08: `instance_group_settings1` to 20 as JSON text, lists as comma-separated text, and a private
subnet stack. In 2025-08: one `instance_group_settings` as JSON text. Since 2025-09: lists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .. import catalog
from .draft import Draft, Values, names
from .parameters import Stated, from_parameters


def import_cluster_stack(
    given: Mapping[str, Any], stated: Stated | None = None, *, written: Mapping[str, str] | None = None
) -> Draft:
    """Converts a cluster-stack config. `written` contains numbers as they are written in the file (`1.30`).

    >>> draft = import_cluster_stack({"resource_name_prefix": "lab", "availability_zone_ids": ["use2-az1", "use2-az2"]})
    >>> draft.data["name"], draft.data["region"]
    ('lab', 'us-east-2')
    """
    entries = catalog.load("importing")["parameters"]
    names_by_key = {entry["cli"]: name for name, entry in entries.items() if "cli" in entry}
    outputs = set(catalog.load("importing")["outputs"])
    found: dict[str, Any] = {}
    keys_by_name = {name: key for key, name in names_by_key.items()}
    draft = Draft()
    for key, value in given.items():
        if key in ("template", "version") or key in outputs:
            continue
        name = names_by_key.get(str(key)) or names_by_key.get(re.sub(r"\d+$", "", str(key)), str(key))
        if isinstance(value, int | float) and not isinstance(value, bool) and key in (written or {}):
            value = (written or {})[key]
        if name in found and name in ("InstanceGroupSettings", "RigSettings"):
            found[name] = [*found[name], value]
        else:
            found[name] = [value] if re.search(r"settings\d+$", str(key)) else value
        if value is None:  # the CLI then omits the parameter, so that the template's default applies
            found[name] = entries.get(name, {}).get("default")
    values = Values(names("parameters", default="cli_default"), found, keys_by_name)
    from_parameters(values, draft, stated or Stated(), cli=True)
    values.account_for(draft)
    if unused := sorted(outputs & given.keys()):
        draft.messages.append(f"not required: {', '.join(unused)}: outputs of a deployed stack")
    return draft
