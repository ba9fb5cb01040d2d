"""What the policies of a closed network's endpoints refuse: nothing leaves for another account."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any

import pytest

from hyperpod_constructs.core.endpoint_policies import endpoint_policy


def allows(policy: dict[str, Any], action: str, resource: str, *, owner: str, caller: str = "1") -> bool:
    """Whether an endpoint's policy lets a principal of an account do something with a resource of another."""
    context = {"aws:PrincipalAccount": caller, "aws:ResourceAccount": owner, "aws:PrincipalIsAWSService": "false"}

    def holds(condition: dict[str, dict[str, Any]]) -> bool:
        checked = [(key, wanted) for test in condition.values() for key, wanted in test.items()]
        return all(context.get(key) in (wanted if isinstance(wanted, list) else [wanted]) for key, wanted in checked)

    return any(
        statement["Effect"] == "Allow"
        and any(fnmatch(action, each) for each in statement["Action"])
        and any(fnmatch(resource, each) for each in statement["Resource"])
        and holds(statement.get("Condition", {}))
        for statement in policy["Statement"]
    )


PUSH = (
    *("PutImage", "InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload", "CreateRepository"),
    *("BatchDeleteImage", "SetRepositoryPolicy", "TagResource", "ReplicateImage"),
)


@pytest.mark.parametrize("service", ["ecr.api", "ecr.dkr"])
@pytest.mark.parametrize("images", [["*"], ["602401143452"], []])
def test_nothing_is_pushed_to_a_repository_of_another_account(service: str, images: list[str]) -> None:
    policy = endpoint_policy(service, account="1", region="us-west-2", accounts=["2"], image_accounts=images)
    for account, own in (("1", True), ("2", True), ("999988887777", False), ("602401143452", False)):
        repository = f"arn:aws:ecr:us-west-2:{account}:repository/data"
        for action in PUSH:
            assert allows(policy, f"ecr:{action}", repository, owner=account) is own, (action, account)
        # credentials of another account that somebody brings along
        assert not allows(policy, "ecr:PutImage", repository, owner=account, caller="999988887777")
    elsewhere = "arn:aws:ecr:us-west-2:999988887777:repository/data"
    assert allows(policy, "ecr:BatchGetImage", elsewhere, owner="999988887777") is (images == ["*"])


def test_nothing_is_written_to_a_bucket_of_another_account() -> None:
    policy = endpoint_policy("s3", account="1", region="us-west-2", plain_region="uswest2")
    assert allows(policy, "s3:PutObject", "arn:aws:s3:::mine/x", owner="1")
    for bucket in ("theirs", "prod-us-west-2-starport-layer-bucket", "cloudformation-custom-resource-response-useast1"):
        assert not allows(policy, "s3:PutObject", f"arn:aws:s3:::{bucket}/x", owner="999988887777"), bucket
