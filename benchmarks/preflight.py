"""Preflight of 20 groups with a local endpoint that responds in 50 ms: total time compared with the longest chain.

    python benchmarks/preflight.py [--delay 0.05] [--rounds 5]

Concurrency cannot shorten the longest chain, which is the pages of the longest list, in sequence. Wall time includes
creating the clients, which takes most of the processor time. The endpoint runs in a separate process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

GROUPS = 20
QUOTAS = 1500
"""SageMaker lists a quota for each instance type and use, 100 per page."""
AIM = 2.0
CLIENTS: dict[str, object] = {}
"""The clients of boto3, by service; a run with `fresh` replaces them."""


def serve(delay: float) -> None:
    """Responds until stdin closes; for each line `calls`, prints how often each operation was called since the last."""
    from accounts import has_clusters, healthy, hyperpod, offers, service_quotas
    from fake_aws import FakeAws

    from hyperpod_constructs.core import catalog

    with FakeAws(delay=delay, http=True) as aws:
        healthy(aws)
        aws.page_size = 100
        kinds = list(catalog.instance_types())
        names = {catalog.quota_name("cluster", kind): 100 for kind in kinds}
        service_quotas(aws, sagemaker={**names, **{f"some other quota {n}": 1 for n in range(QUOTAS - len(names))}})
        every = {kind.removeprefix("ml."): ["usw2-az1", "usw2-az2"] for kind in kinds}
        aws.on("ec2", "DescribeInstanceTypeOfferings", offers(**every))
        has_clusters(aws, *(hyperpod(f"c{n}", []) for n in range(10)))
        print(aws.url, flush=True)
        for line in sys.stdin:
            if line.strip() == "calls":
                print(json.dumps(Counter(f"{c.service} {c.operation}" for c in aws.calls)), flush=True)
                aws.calls.clear()


def run(url: str, fresh: bool) -> tuple[float, int]:
    """Returns the seconds of one preflight, and the number of its findings."""
    import boto3
    from preflight_platforms import existing_platform

    from hyperpod_constructs.core import catalog
    from hyperpod_constructs.live.preflight import preflight

    kinds = list(catalog.instance_types())[:GROUPS]
    groups = [{"name": f"g{n}", "instance_type": kind, "count": 1} for n, kind in enumerate(kinds)]
    platform = existing_platform(cluster={"instance_groups": groups})

    class Session(boto3.Session):
        def client(self, service_name, *args, **kwargs):
            if fresh or service_name not in CLIENTS:
                CLIENTS[service_name] = super().client(service_name, *args, endpoint_url=url, **kwargs)
            return CLIENTS[service_name]

    session = Session(aws_access_key_id="AKIATEST", aws_secret_access_key="secret", region_name="us-west-2")
    start = time.monotonic()
    findings = preflight(platform, session=session)
    return time.monotonic() - start, len(findings)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.05)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.delay)
        return
    command = [sys.executable, __file__, "--serve", "--delay", str(options.delay)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        run(url, fresh=True)
        server.stdin.write("calls\n")
        server.stdin.flush()
        calls = json.loads(server.stdout.readline())
        longest = calls["service-quotas ListServiceQuotas"]
        chain = (longest - 1) * options.delay  # one of the calls lists the quotas of VPC
        print(
            f"{sum(calls.values())} calls of {options.delay * 1000:g} ms; longest chain: {longest - 1} pages, {chain:.2f} s"
        )
        for fresh, what in ((True, "with new clients"), (False, "with existing clients")):
            times = [run(url, fresh) for _ in range(options.rounds)]
            wall = statistics.median(seconds for seconds, _ in times)
            result = "within" if wall <= AIM * chain else "beyond"
            print(f"{what:24} {wall:.2f} s = {wall / chain:.2f} times the chain ({result} the aim of {AIM:g})")
        server.stdin.close()


if __name__ == "__main__":
    main()
