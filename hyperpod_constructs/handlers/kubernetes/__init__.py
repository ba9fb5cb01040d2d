"""The Lambda functions of the Kubernetes provider, which apply and delete objects and wait for conditions.

They use only the libraries of the Lambda runtime (boto3, botocore, urllib3). Two custom resources call them through CDK's
provider framework, which sends each event to a handler and converts its result or exception to the response for
CloudFormation.

``Custom::HyperPodKubernetesObjects`` (handler ``kubernetes.apply.on_event``): one object or a small group.

===================  ==========================================================================================
property             meaning
===================  ==========================================================================================
ClusterName          name of the EKS cluster
Manifest             JSON text: a list of objects (or one object); CDK tokens are already resolved
ManifestAsset        instead of Manifest, for large objects: ``{Bucket, Key, Sha256}`` of that JSON (plain or gzip)
Objects              with ManifestAsset: ``{apiVersion, kind, namespace, name}`` of each object, so that a deletion does
                     not require the asset
RetrySeconds         how long a retryable rejection is retried, 1-780 (default 600)
DeletionPolicy       ``Delete`` (default) or ``Retain``: retain objects that are removed, or whose resource is deleted
PropagationPolicy    ``Foreground`` (default), ``Background`` or ``Orphan``: how a deletion affects dependents
Adopt                ``true``: existing objects without a mark of this library may be adopted
ReplaceOnImmutable   ``true``: an object whose changed field is immutable is deleted and created again
CopyOf               ``{apiVersion, kind, namespace, name}`` of an object in the cluster: the one object of the manifest
                     is a copy of it whose ``spec`` has the manifest's changes (null removes, named items merge by name)
FieldsOnly           ``true``: the manifest contains fields of an existing object; a deletion restores the fields
RerunOn              any text; if it changes, the objects are applied again
===================  ==========================================================================================

* The physical id contains the cluster and the object, or the logical id of a group and its names. A different set of names
is a replacement, so CloudFormation creates the new objects first, and deletes the old ones after all other steps succeeded.
* Every object has a mark for each of its owners (``shared.ownership``). Create and Update add a mark, Delete removes it,
and deletes the object if it has no other mark. An owner is derived from stack, logical id and properties, never from a
physical id; a Delete returns the id that it received.
* Each owner has a separate field manager. The state of an object before its first owner, and the content that each of
several owners specifies, are stored in the object (``former``), so that fields can be restored.
* The framework sends no Delete after a failed Create, so a failed event undoes its changes before it reports the failure:
objects that it created are deleted (even with ``Retain``), objects that it adopted are restored. Objects that already had
its mark are not changed: an earlier delivery of the same event may have succeeded.
* An Update whose physical id differs from that of its old properties is the rollback of a failed event: objects that the
failed event left are deleted.
* Fields that a controller sets are not changed (``controlled``).
* The result ``Data`` is ``{Count, Name, Namespace}`` (name and namespace of the first object).

``Custom::HyperPodKubernetesWait`` (handlers ``kubernetes.wait.on_event`` and ``kubernetes.wait.is_complete``):

===================  ==========================================================================================
property             meaning
===================  ==========================================================================================
ClusterName          name of the EKS cluster
Condition            ``{Type: ..., ...}``; the types and their arguments are the classes of ``conditions`` and ``jobs``,
                     ``nodes``, ``addons``
TimeoutSeconds       1-3600; the wait fails with the states of pods and nodes before CloudFormation's timeout (at most
                     58 minutes after the start)
RerunOn              any text; if it changes, the wait runs again
===================  ==========================================================================================

Modules, lowest first: ``errors`` (errors of the API, and which to retry), ``timing`` (clock, deadline, back-off),
``client`` (HTTP), ``eks`` (endpoint and token), ``discovery`` (kinds), ``objects`` (references, order, identity),
``manifest`` (bodies), ``former`` (content to restore), ``controlled`` (fields of controllers), ``release`` (release
objects), ``group`` (apply), ``existing_objects`` (copies and fields of objects of other owners), ``apply`` (the events);
``diagnosis`` (states of pods), ``conditions``, ``jobs``, ``nodes``, ``addons``, ``wait`` (the events); ``services``
(dependencies of the handlers, which tests replace).
"""
