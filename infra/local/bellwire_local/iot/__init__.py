"""AWS IoT Core's behaviour: MQTT over WebSocket, policies, the HTTPS data plane."""
