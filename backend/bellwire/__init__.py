"""Publish updates to web dashboards over AWS IoT; the public names of the library."""
