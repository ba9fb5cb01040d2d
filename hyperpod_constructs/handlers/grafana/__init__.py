"""Puts the data source and the dashboards into an Amazon Managed Grafana workspace.

``Custom::HyperPodGrafanaDashboards`` (handler ``grafana.index.on_event``) through CDK's provider framework:

===========  ===========================================================================================
property     meaning
===========  ===========================================================================================
WorkspaceId  the Grafana workspace
DataSource   JSON text: the data source, as Grafana's API takes it; its ``uid`` is what dashboards use
Dashboards   JSON text: a list of dashboards, each with a ``uid`` of ours
Marks        ``tags``; missing where a version made the resource that put no marks on things
===========  ===========================================================================================

Grafana's own API is the only way in. Each event makes a service account with a token that lives ten minutes, and deletes
the account again, also when the event fails; the token is never logged. All calls of an event have one deadline.

Dashboards and the data source carry marks of their owners (see ``things`` and ``shared.ownership``) and go with the last.
Two platforms with one Prometheus workspace share them; where the uids are taken by anything else, they get a suffix that
depends on what the data source reads. What is not ours is never touched. A deletion of what is gone, or in a workspace that
is gone, is done.
"""
