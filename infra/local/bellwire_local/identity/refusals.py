"""How Cognito Identity and STS say no, as values that their ports put on the wire."""


class CognitoRefusal(Exception):
    """One of Cognito's errors; `error_type` is its `__type`, `status` the HTTP status."""

    def __init__(self, error_type: str, message: str, status: int = 400) -> None:
        self.error_type = error_type
        self.status = status
        super().__init__(message)


class StsRefusal(Exception):
    """One of STS's errors; `code` is what SDKs make typed exceptions of."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        self.code = code
        self.status = status
        super().__init__(message)


def not_authorized(message: str) -> CognitoRefusal:
    """Refuse as Cognito refuses logins and identities."""
    return CognitoRefusal("NotAuthorizedException", message)


def invalid_parameter(message: str) -> CognitoRefusal:
    """Refuse a parameter, saying what was found and what is expected."""
    return CognitoRefusal("InvalidParameterException", message)


def forbidden_identity(identity_id: str) -> CognitoRefusal:
    """Refuse an identity that is someone's, or disabled by a merge, to whoever has not logged in.

    Source of the text: https://github.com/aws-amplify/amplify-js/issues/6616
    """
    return not_authorized(f"Access to Identity '{identity_id}' is forbidden.")


def logins_do_not_match() -> CognitoRefusal:
    """Refuse logins that are good, but not this identity's."""
    return not_authorized(
        "Logins don't match. Please include at least one valid login for this identity or "
        "identity pool."
    )


def identity_not_found(identity_id: str) -> CognitoRefusal:
    """Refuse an identity that this pool did not make."""
    return CognitoRefusal("ResourceNotFoundException", f"Identity '{identity_id}' not found.")
