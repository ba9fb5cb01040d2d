"""The official CLI's `cluster-stack` config, in all its versions.

2025-08 before its release: `instance_group_settings1` to 20 as JSON text, lists as comma-separated text, a private
subnet stack. 2025-08 as released: one `instance_group_settings` as JSON text. Since 2025-09: lists.
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
    """Converts a cluster-stack config. `written` has numbers as written in the file (`1.30`).

    >>> draft = import_cluster_stack({"resource_name_prefix": "lab", "availability_zone_ids": ["use2-az1", "use2-az2"]})
    >>> draft.data["name"], draft.data["region"]
    ('lab', 'us-east-2')
    """
    entries = catalog.load("importing")["parameters"]
    ours = {entry["cli"]: name for name, entry in entries.items() if "cli" in entry}
    outputs = set(catalog.load("importing")["outputs"])
    found: dict[str, Any] = {}
    names_by_option = {name: cli for cli, name in ours.items()}
    draft = Draft()
    for key, value in given.items():
        if key in ("template", "version") or key in outputs:
            continue
        name = ours.get(str(key)) or ours.get(re.sub(r"\d+$", "", str(key)), str(key))
        if isinstance(value, int | float) and not isinstance(value, bool) and key in (written or {}):
            value = (written or {})[key]
        if name in found and name in ("InstanceGroupSettings", "RigSettings"):
            found[name] = [*found[name], value]
        else:
            found[name] = [value] if re.search(r"settings\d+$", str(key)) else value
        if value is None:  # the CLI then omits the parameter, so that the template's default applies
            found[name] = entries.get(name, {}).get("default")
    values = Values(names("parameters", default="cli_default"), found, names_by_option)
    from_parameters(values, draft, stated or Stated(), cli=True)
    values.account_for(draft)
    if unused := sorted(outputs & given.keys()):
        draft.messages.append(f"not required: {', '.join(unused)}: describe a deployed stack")
    return draft
