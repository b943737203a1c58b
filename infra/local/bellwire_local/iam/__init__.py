"""AWS's policy language, as IAM, IoT and STS share it: documents read and evaluated, purely."""
