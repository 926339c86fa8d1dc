"""Providers: from a providerRef to a client of that cloud, with its limits, its checks and its status."""
