"""The Slack adapter: Block Kit cards over slack-bolt, by Socket Mode or signed HTTP."""
