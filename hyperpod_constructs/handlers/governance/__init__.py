"""The task governance functions: scheduler configs and compute quotas in regions without a CloudFormation type for them.

Two custom resources, ``Custom::HyperPodClusterSchedulerConfig`` and ``Custom::HyperPodComputeQuota``, use the same handlers
(``governance.index.on_event`` and ``governance.index.is_complete``) through CDK's provider framework.

===============  ==============================================================================================
property         meaning
===============  ==============================================================================================
Kind             ``ClusterSchedulerConfig`` or ``ComputeQuota``
Request          JSON text: the create request, equal to the properties of the native CloudFormation type
ClusterArn       ARN of the HyperPod cluster, repeated for readers of the template
TeamName         the team, for a quota
===============  ==============================================================================================

* The physical id consists of cluster, kind, name and team: a change of any of them is a replacement.
* The service has no client token. A digest of stack and logical id is stored as a tag instead, so an event that is
delivered twice finds the resource that it created, and resources of other owners are not changed.
* An update specifies the version to which it applies. If another change conflicts with it, it is retried with the new
version.
* The status is polled until it is final. Failures that the documentation describes as retryable are retried for some
minutes (Kueue's webhook may still be starting); final failures are reported with the reason that the service returns.

Uses only the libraries of the Lambda runtime. Modules: ``api`` (one interface for both kinds), ``timing`` (clock and
retries), ``settle`` (the meaning of each status), ``index`` (the events).
"""
