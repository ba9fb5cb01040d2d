"""Puts the data source and the dashboards into an Amazon Managed Grafana workspace.

``Custom::HyperPodGrafanaDashboards`` (handler ``grafana.index.on_event``) through CDK's provider framework:

===========  ===========================================================================================
property     meaning
===========  ===========================================================================================
WorkspaceId  the Grafana workspace
DataSource   JSON text: the data source, as Grafana's API takes it; its ``uid`` is what dashboards use
Dashboards   JSON text: a list of dashboards, each with a ``uid`` of ours
===========  ===========================================================================================

Grafana's own API is the only way in. Each event makes a service account with a token that lives ten minutes, and deletes
the account again, also when the event fails; the token is never logged. Dashboards that left the list are deleted, others
in the workspace never touched. A deletion of what is gone, or in a workspace that is gone, is done.
"""
