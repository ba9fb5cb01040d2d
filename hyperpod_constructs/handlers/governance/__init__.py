"""The task governance functions: scheduler configs and compute quotas where CloudFormation has no type for them yet.

Two custom resources, ``Custom::HyperPodClusterSchedulerConfig`` and ``Custom::HyperPodComputeQuota``, speak to one pair of
handlers (``governance.index.on_event`` and ``governance.index.is_complete``) through CDK's provider framework.

===============  ==============================================================================================
property         meaning
===============  ==============================================================================================
Kind             ``ClusterSchedulerConfig`` or ``ComputeQuota``
Request          JSON text: the create request, the same that CloudFormation's own type has as properties
ClusterArn       ARN of the HyperPod cluster, again, so that templates can be read
TeamName         the team, for a quota
===============  ==============================================================================================

* The physical id consists of cluster, kind, name and team: a change of one is a replacement.
* The service has no client token. A digest of stack and logical id is stored as a tag instead, so an event that is
delivered twice finds what it created, and resources of others are not changed.
* An update names the version that it applies to; after a conflicting change it is read and tried again.
* The status is polled until it settles: failures that the documentation calls retryable are retried for some minutes
(Kueue's webhook may still be starting), final ones are reported with the service's own reason.

Uses only the libraries of the Lambda runtime. Modules: ``api`` (one interface for both kinds), ``timing`` (clock and
retries), ``settle`` (the meaning of each status), ``index`` (the events).
"""
