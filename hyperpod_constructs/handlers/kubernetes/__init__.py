"""The Kubernetes provider's Lambda functions: apply objects, delete them, and wait for conditions.

Uses only the libraries of the Lambda runtime (boto3, botocore, urllib3). Two custom resources call it through CDK's
provider framework, which sends each event to a handler and converts the answer, or the exception, into CloudFormation's
response.

``Custom::HyperPodKubernetesObjects`` (handler ``kubernetes.apply.on_event``): one object or a small group.

===================  ==========================================================================================
property             meaning
===================  ==========================================================================================
ClusterName          name of the EKS cluster
Manifest             JSON text: a list of objects (or one object); CDK tokens are resolved by now
ManifestAsset        instead of Manifest, for large objects: ``{Bucket, Key, Sha256}`` of that JSON (plain or gzip)
Objects              with ManifestAsset: the list's ``{apiVersion, kind, namespace, name}``, so that a deletion never
                     needs the asset again
RetrySeconds         how long a retryable refusal is retried, 1-780 (default 600)
DeletionPolicy       ``Delete`` (default) or ``Retain``: leave the objects when the resource, or their place in it, goes
PropagationPolicy    ``Foreground`` (default), ``Background`` or ``Orphan``: what a deletion does with dependents
Adopt                ``true``: objects that exist and carry no mark of ours may be taken over
ReplaceOnImmutable   ``true``: an object whose changed field is immutable is deleted and created again
CopyOf               ``{apiVersion, kind, namespace, name}`` of an object in the cluster: the one object of the manifest
                     is a copy of it whose ``spec`` has the manifest's changes (null removes, named items merge by name)
FieldsOnly           ``true``: the manifest holds some fields of an object that others made; a deletion gives them back
RerunOn              any text; a change of it applies the objects again
===================  ==========================================================================================

* The physical id names the cluster and the object, or the logical id of a group and its names: another set of names is a
replacement, so CloudFormation creates the new objects first and deletes the old ones after everything else succeeded.
* Every object has a mark for each of its owners (``shared.ownership``). Create and Update add a mark, Delete removes it,
and deletes the object if it has no other mark. An owner is derived from stack, logical id and properties, never from a
physical id; a Delete returns the id that it received.
* Each owner has its own field manager. The object before the first owner, and the content that each of several owners
wants, are stored in it (``former``), so that a field can be restored for the owner that wants it.
* After a failed Create the framework sends no Delete, so a failed event undoes its changes before it reports: objects
that it created are deleted (even with ``Retain``: nothing existed before), objects that it took over are restored.
Objects that already had its mark are not changed: an earlier delivery of the same event may have succeeded.
* An Update whose physical id differs from the one of its old properties is the rollback of a failed event: what that
event left is deleted.
* Fields that a controller sets are not changed (``controlled``).
* Answers: ``Data`` is ``{Count, Name, Namespace}`` (name and namespace of the first object).

``Custom::HyperPodKubernetesWait`` (handlers ``kubernetes.wait.on_event`` and ``kubernetes.wait.is_complete``):

===================  ==========================================================================================
property             meaning
===================  ==========================================================================================
ClusterName          name of the EKS cluster
Condition            ``{Type: ..., ...}``; the types and their arguments are the classes of ``conditions`` and ``jobs``,
                     ``nodes``, ``addons``
TimeoutSeconds       1-3600; the wait fails, with what pods and nodes say, before CloudFormation loses patience (at most
                     58 minutes after the start)
RerunOn              any text; a change of it runs the wait again
===================  ==========================================================================================

Modules, lowest first: ``errors`` (errors of the API, and which to retry), ``timing`` (clock, deadline, back-off),
``client`` (HTTP), ``eks`` (endpoint and token), ``discovery`` (kinds), ``objects`` (references, order, identity),
``manifest`` (bodies), ``former`` (content to restore), ``controlled`` (fields of controllers), ``release`` (release
objects), ``group`` (apply), ``existing_objects`` (copies and fields of objects of other owners), ``apply`` (the events);
``diagnosis`` (states of pods), ``conditions``, ``jobs``, ``nodes``, ``addons``, ``wait`` (the events); ``services``
(dependencies of the handlers, which tests replace).
"""
