"""Amazon Cognito Identity's behaviour, and the temporary credentials it hands out."""
