"""The API gateway: every request passes it on its way to IAM or IMS. It logs, authenticates and throttles."""
