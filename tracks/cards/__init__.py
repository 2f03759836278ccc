"""Pictures of a chart to share: drawn by a process of their own, kept in the database, served by tracks.views.share."""
