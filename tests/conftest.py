"""Fixtures and settings that every test shares."""
