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

* The physical id is made of cluster, kind, name and team: a change of one is a replacement.
* The service knows no client token. A digest of stack and logical id is kept as a tag instead, so an event that is
  delivered twice finds what it made, and nothing of anybody else's is touched.
* An update carries the version it is meant for; when somebody else was quicker it is read again and tried again.
* What became of it is asked until it settles: failures that the documentation calls retryable are tried again for some
  minutes (Kueue's webhook may still be starting), final ones are reported with the service's own reason.

Runs on the Lambda runtime alone. Modules: ``api`` (one face for both kinds), ``timing`` (clock and retries), ``settle``
(which status means what), ``index`` (the events).
"""
