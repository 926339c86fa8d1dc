"""The identity service (IAM) and the services that hand out its keys: node metadata and Pod Identity."""
