"""One file an endpoint: parse the event, call one use case, shape the answer.

Events and answers have the shape of an API Gateway HTTP API, payload format 2.0.
"""
