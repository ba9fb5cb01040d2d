"""Network exposure: the Kubernetes API, security groups, and VPC endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..plural import count
from .model import Block, Cell, Content, Paragraph, Section, code, table
from .network import endpoint_names
from .subject import Subject
from .words import Words, as_list

_RULES = {"AWS::EC2::SecurityGroupIngress": "in", "AWS::EC2::SecurityGroupEgress": "out"}


def section(subject: Subject, words: Words | None) -> Section:
    """Returns the section; without templates, security groups and endpoint policies are omitted."""
    blocks: list[Block] = [
        *table("Network access to the platform", ("Resource", "Reachable from", "Notes"), list(_access_rows(subject)))
    ]
    if words is None:
        blocks.append(Paragraph(f"Rules of security groups are in the templates. {subject.left_out}"))
    else:
        head = ("Security group", "Direction", "Source or destination", "Protocol and ports", "Description")
        blocks += table(
            "Rules of security groups", head, list(_rules(words)), empty="The templates do not create security groups."
        )
        rows = [
            (
                code(words.text(stack, endpoint.get("ServiceName"))),
                str(endpoint.get("VpcEndpointType", "Gateway")).lower(),
                "custom policy" if endpoint.get("PolicyDocument") else "no policy: all principals",
            )
            for stack, _, endpoint in words.all("AWS::EC2::VPCEndpoint")
        ]
        blocks += table("Policies of VPC endpoints", ("Service", "Type", "Policy"), rows)
    return Section("exposure", "Network exposure", tuple(blocks))


def _access_rows(subject: Subject) -> Iterator[tuple[Content, ...]]:
    platform = subject.platform
    eks, network = platform.eks, platform.network
    if eks.existing is not None:
        yield "Kubernetes API", "as configured on the existing cluster", ""
    else:
        is_private = eks.endpoint_access != "public"
        if eks.endpoint_access != "private":
            reachable_from = ", ".join(eks.public_access_cidrs) or Cell("any IP address", "warn")
            yield "Kubernetes API, public endpoint", reachable_from, "requires credentials of an access entry"
        yield (
            "Kubernetes API, private endpoint",
            "the VPC" if is_private else "none",
            "enabled" if is_private else "disabled",
        )
    if network.existing is not None:
        yield "Nodes", "as configured in the existing network", ""
    elif network.mode == "closed":
        yield "Nodes", "the VPC", "no connection to the internet"
    else:
        yield (
            "Nodes",
            "the VPC",
            "private subnets; to the internet through NAT" if network.nat != "none" else "private subnets",
        )
    if names := endpoint_names(platform):
        policies = network.mode == "closed" and network.endpoint_policies
        yield (
            "Interface endpoints",
            "the VPC",
            count(len(names), "service") + ("; only your own accounts" if policies else ""),
        )
    for bucket in platform.storage.buckets:
        yield (
            f"Bucket {bucket.name}",
            ", ".join(bucket.used_by) or "no pods by default",
            f"access: {bucket.access}; not public, TLS only",
        )


def _rules(words: Words) -> Iterator[tuple[Content, ...]]:
    for stack, name, security_group in words.all("AWS::EC2::SecurityGroup"):
        for key, direction in (("SecurityGroupIngress", "in"), ("SecurityGroupEgress", "out")):
            for rule in as_list(security_group.get(key)):
                yield _rule(words, stack, words.name(stack, name), direction, rule)
    for kind, direction in _RULES.items():
        for stack, _, resource in words.all(kind):
            yield _rule(words, stack, words.text(stack, resource.get("GroupId")).strip("<>"), direction, resource)


def _rule(words: Words, stack: str, group: str, direction: str, rule: Mapping[str, Any]) -> tuple[Content, ...]:
    keys = (
        "CidrIp",
        "CidrIpv6",
        "SourceSecurityGroupId",
        "DestinationSecurityGroupId",
        "SourcePrefixListId",
        "DestinationPrefixListId",
    )
    other = next((words.text(stack, rule[key]) for key in keys if rule.get(key)), "not set")
    everywhere = other in ("0.0.0.0/0", "::/0")
    shown: Content = code("itself" if other.strip("<>") == group else other)
    if everywhere:
        shown = (
            Cell(f"all sources ({other})", "warn") if direction == "in" else Cell(f"all destinations ({other})", "note")
        )
    return code(group), direction, shown, _ports(rule), str(rule.get("Description", ""))


def _ports(rule: Mapping[str, Any]) -> str:
    """Returns protocol and ports as text.

    >>> _ports({"IpProtocol": "-1"}), _ports({"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443})
    ('all traffic', 'tcp 443')
    """
    protocol = str(rule.get("IpProtocol", "-1"))
    if protocol == "-1":
        return "all traffic"
    first, last = rule.get("FromPort"), rule.get("ToPort")
    return protocol if first is None else f"{protocol} {first}" if first == last else f"{protocol} {first}-{last}"
