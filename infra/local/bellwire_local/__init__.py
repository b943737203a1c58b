"""What stands in for AWS on one machine: IoT Core's data plane and Cognito Identity."""
