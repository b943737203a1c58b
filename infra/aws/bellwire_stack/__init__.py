"""Writes infra/aws/template.yaml: what repeats is written once, policies come from iot_policies/.

`make template` runs it; a test holds the committed template to what it writes.
"""
