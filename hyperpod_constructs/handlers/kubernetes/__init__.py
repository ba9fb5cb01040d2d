"""The Kubernetes provider's Lambda functions: apply objects, delete them, and wait for what they become.

Runs on the Lambda runtime alone (boto3, botocore, urllib3). Two custom resources speak to it through CDK's provider
framework, which sends each event to a handler and turns the answer, or the exception, into CloudFormation's response.

``Custom::HyperPodKubernetesObjects`` (handler ``kubernetes.apply.on_event``): one object or a tight group.

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
  replacement, so CloudFormation makes the new objects first and deletes the old ones after everything else succeeded.
* Every object carries a mark for each of its owners (``shared.ownership``). Create and Update add a mark, Delete takes it
  away, and deletes the object when no other is left. An owner is derived from stack, logical id and properties, never from
  a physical id; a Delete answers with the id that it was given.
* Each owner has a field manager of its own. What an object was before us, and what each of several owners wants, is
  remembered in it (``former``), so that a field goes back to whoever wants it.
* After a failed Create the framework sends no Delete, so a failed event undoes what it did before it reports: what it
  created goes (also with ``Retain``: nothing was there before), what it took over is as it was. What carried its mark
  already is left: an earlier delivery of the same event may have succeeded.
* An Update that is given another physical id than its old properties make is the rollback of an event that failed: what
  that one left goes.
* Fields that a controller sets by nature are left to it (``controlled``).
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

Modules, lowest first: ``errors`` (what an API refusal is, and whether to retry), ``timing`` (clock, deadline, back-off),
``client`` (HTTP), ``eks`` (endpoint and token), ``discovery`` (kinds), ``objects`` (references, order, identity),
``manifest`` (bodies), ``former`` (what to give back), ``controlled`` (fields of controllers), ``release`` (give up),
``group`` (apply), ``existing_objects`` (copies and fields of what others made), ``apply`` (the
events); ``diagnosis`` (what pods say), ``conditions``, ``jobs``, ``nodes``, ``addons``, ``wait`` (the events);
``services`` (what the handlers are given, and tests replace).
"""
