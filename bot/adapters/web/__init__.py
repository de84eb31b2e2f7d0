"""The demo page: one local chat page that renders the same views as Slack and Discord."""
