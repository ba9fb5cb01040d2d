"""Jobs: rendering compared with dumping, a render process compared with Python with pydantic and PyYAML, and synthesis.

Budgets: rendering 1,000 jobs takes at most 2 times as long as dumping the same dicts with the same YAML library; a
`hyperpod jobs render` process takes at most 2 times as long as the floor; the synthesis of 10, 100 and 1,000 `TrainingJob`
constructs is linear.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from _run import PYTHON, ROOT, Case, measure, options, save, slope, table

HYPERPOD = str(Path(PYTHON).with_name("hyperpod"))
FLOOR = "python, pydantic, yaml"
NODE = "from hyperpod_constructs.core.packaged_node import use_packaged_node; use_packaged_node()"
SYNTH = """
{node}
from aws_cdk import App, Stack
from constructs import DependencyGroup
from hyperpod_constructs.core.jobs import Job
from hyperpod_constructs.constructs.kubernetes import KubernetesProvider
from hyperpod_constructs.core.spec import Cluster, InstanceGroup
from hyperpod_constructs.constructs.training_job import TrainingJobs

app = App()
base, stack = Stack(app, "Base"), Stack(app, "Jobs")
arn = "arn:aws:eks:us-east-1:111122223333:cluster/eks"


class ExistingCluster:
    kubernetes = KubernetesProvider(base, "Kubernetes", cluster_name="eks", cluster_arn=arn)
    spec = Cluster(instance_groups=[InstanceGroup(name="w", instance_type="ml.p5.48xlarge", count=1000)])
    jobs_ready = DependencyGroup()


jobs = [Job(name=f"job-{{n}}", image="registry/a:v1", instance_type="ml.p5.48xlarge", nodes=2) for n in range({count})]
TrainingJobs(stack, "Training", cluster=ExistingCluster, jobs=jobs)
app.synth()
"""


def main() -> None:
    """Measures and prints."""
    chosen = options(str(__doc__), rounds=9)
    in_process(chosen.rounds)
    file = str(ROOT / "jobs" / "neuron-hello.yaml")
    cases = [
        Case(FLOOR, [PYTHON, "-c", "from pydantic import BaseModel; import yaml"]),
        Case("hyperpod jobs render", [HYPERPOD, "jobs", "render", file], floor=FLOOR, aim=2),
    ]
    times = measure(cases, chosen.rounds)
    table("one process", cases, times)
    off = {"CDK_VALIDATION": "false"}
    synths = [Case(f"{n} jobs", [PYTHON, "-c", SYNTH.format(node=NODE, count=n)], off) for n in (10, 100, 1000)]
    grown = measure(synths, max(1, chosen.rounds // 3))
    table("TrainingJob constructs synthesized, validator disabled", synths, grown)
    slope("jobs", "job", {n: grown[f"{n} jobs"].median for n in (10, 100, 1000)})
    save(chosen.json, times | grown)


def in_process(rounds: int) -> None:
    """Compares rendering 1,000 jobs with dumping the same dicts with the same library and the same dumper."""
    import yaml

    from hyperpod_constructs.core.jobs import Job, compile_job
    from hyperpod_constructs.core.jobs.text import to_yaml

    def new_jobs() -> list[Job]:
        return [
            Job(
                name=f"job-{number}",
                image="registry/train:v1",
                team="research",
                instance_type="ml.p5.48xlarge",
                nodes=2,
                command=["python", "train.py", "--seed", str(number)],
                env={"A": "b"},
                volumes=[{"name": "data", "mount_path": "/data", "claim": "data"}],
            )
            for number in range(1000)
        ]

    manifests = [compile_job(job) for job in new_jobs()]
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    dump, render = [], []
    for _ in range(rounds):
        jobs = new_jobs()
        dump.append(_seconds(lambda: yaml.dump_all(manifests, Dumper=dumper, sort_keys=False)))
        render.append(_seconds(lambda jobs=jobs: to_yaml([compile_job(job) for job in jobs])))
    ratio = statistics.median(render) / statistics.median(dump)
    print(f"1,000 jobs: rendered in {statistics.median(render):.3f} s, dumped in {statistics.median(dump):.3f} s")
    print(f"  {ratio:.2f} x dumping the same dicts with {dumper.__name__} (aim: at most 2)")


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
