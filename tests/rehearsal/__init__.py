"""The rehearsal: the template as it is, on an emulator of AWS, with the stand-in for AWS IoT.

MiniStack plays CloudFormation, Lambda, API Gateway, DynamoDB, SQS, EventBridge and IAM; the
stand-in plays AWS IoT, Cognito and STS, strictly. `make rehearse` runs it.
"""
