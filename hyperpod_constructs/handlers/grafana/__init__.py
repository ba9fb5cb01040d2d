"""The function that creates the data source and the dashboards in an Amazon Managed Grafana workspace.

``Custom::HyperPodGrafanaDashboards`` (handler ``grafana.index.on_event``) through CDK's provider framework:

===========  ===========================================================================================
property     meaning
===========  ===========================================================================================
WorkspaceId  the Grafana workspace
DataSource   JSON text: the data source in the format of Grafana's API; dashboards refer to its ``uid``
Dashboards   JSON text: a list of dashboards, each with a ``uid`` of this library
Marks        ``tags``; absent if the resource was created by a version that did not set marks
===========  ===========================================================================================

The function uses only Grafana's API. Each event creates a service account with a token that is valid for ten minutes,
and deletes the account again, even if the event fails; the token is never logged. All calls of an event share one
deadline.

Dashboards and the data source have marks of their owners (see ``objects`` and ``shared.ownership``) and are deleted with
the last owner. Two platforms with one Prometheus workspace share them. If other objects use their uids, they get a suffix
derived from the workspace that the data source reads. Objects without our mark are never changed. Deleting an
object that does not exist, or in a workspace that does not exist, succeeds.
"""
