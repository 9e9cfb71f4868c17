"""Notices of runs, sent to a webhook: to a program (signed JSON), to Slack, to Microsoft Teams."""
