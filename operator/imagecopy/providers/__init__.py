"""Providers: a client of the cloud for each providerRef, with its rate limiter, its checks and its status."""
