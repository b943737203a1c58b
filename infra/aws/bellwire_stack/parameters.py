"""What whoever deploys decides."""

from typing import Any, Final

from bellwire_stack.words import Tagged, equals, is_set


def _text(default: str, description: str, **more: Any) -> dict[str, Any]:
    return {"Type": "String", "Default": default, "Description": description, **more}


def _number(default: int, description: str, least: int, most: int) -> dict[str, Any]:
    return {
        "Type": "Number",
        "Default": default,
        "MinValue": least,
        "MaxValue": most,
        "Description": description,
    }


def _choice(default: str, description: str, *possible: str) -> dict[str, Any]:
    return _text(default, description, AllowedValues=list(possible))


PARAMETERS: Final[dict[str, Any]] = {
    "Stage": _text(
        "prod",
        "What topics begin with; stages of one account need not meet",
        AllowedPattern="[a-z0-9-]{1,16}",
        ConstraintDescription="1 to 16 of a-z, 0-9 and -",
    ),
    "Guests": _choice("off", "Whether public channels are for everybody", "off", "on"),
    "Logins": _text(
        "{}",
        'Which logins are taken: {"own":{"jwks_url":"https://app.example/jwks.json"}}, see README',
    ),
    "LoginSecretValue": _text(
        "",
        "What the application's login signs with, if it has no JWKS; 32 characters at least",
        NoEcho=True,
        AllowedPattern="|.{32,}",
        ConstraintDescription="empty, or 32 characters at least",
    ),
    "DeveloperProvider": _text(
        "login.bellwire", "The identity pool's name for the application's own login"
    ),
    "OidcProviderArns": {
        "Type": "CommaDelimitedList",
        "Default": "",
        "Description": "IAM's OpenID Connect providers whose logins the identity pool takes",
    },
    "GoogleClientId": _text("", "Logins by Google: the application's client id"),
    "FacebookAppId": _text("", "Logins by Facebook: the application's id"),
    "AmazonAppId": _text("", "Login with Amazon: the application's id"),
    "AllowedOrigins": {
        "Type": "CommaDelimitedList",
        "Default": "*",
        "Description": "Web origins whose pages may call the API",
    },
    "PresenceNamespaces": _text(
        "group,user", "Where it may be asked who is there: of public, group, user"
    ),
    "PollAfterMs": _number(2_000, "When a poller is to come back, in ms", 500, 60_000),
    "TokenLifetimeS": _number(3_600, "How long a member's bearer holds, in s", 300, 86_400),
    "RetentionS": _number(86_400, "How long an update is held at least, in s", 7_200, 2_592_000),
    "IdWindowS": _number(86_400, "How long a caller's id is remembered, in s", 600, 2_592_000),
    "FanOut": _choice(
        "stream", "Who pushes: the log's stream, or whoever publishes as well", "stream", "inline"
    ),
    "Heartbeat": _choice("off", "Whether public/heartbeat ticks once a minute", "off", "on"),
    "ChangesStreamArn": _text(
        "", "A DynamoDB or Kinesis stream of the application's whose changes become updates"
    ),
    "ChangesMapping": _text(
        "bellwire.mappings:rows_as_state", "module:function that makes updates of a change"
    ),
    "ChangesLayerArn": _text("", "The layer that this module lies in"),
    "WarmInstances": _number(0, "Instances of poll and session that are kept warm", 0, 1_000),
    "ApiRate": _number(1_000, "Requests a second that the API takes", 1, 10_000),
    "ApiBurst": _number(2_000, "Requests at once that the API takes", 1, 5_000),
    "LogRetentionDays": {
        "Type": "Number",
        "Default": 30,
        "AllowedValues": [1, 3, 5, 7, 14, 30, 60, 90, 180, 365, 731, 3653],
        "Description": "How long logs are kept",
    },
    "Tracing": _choice("off", "Whether calls are traced by X-Ray", "off", "on"),
    "AlarmEmail": _text("", "Who is told of alarms"),
    "ApiUrl": _text("", "Where the API is reached if not at API Gateway's own name"),
    "IotUrl": _text("", "Where browsers connect if not at AWS IoT's own endpoint"),
    "CognitoUrl": _text("", "Where browsers find Cognito if not at AWS's own endpoint"),
    "IdentityPoolOverride": _text("", "For rehearsals: the identity pool that functions ask"),
}

CONDITIONS: Final[dict[str, Tagged]] = {
    "HasGuests": equals("Guests", "on"),
    "HasLoginSecret": is_set("LoginSecretValue"),
    "HasOidc": Tagged(
        "!Not", [Tagged("!Equals", [Tagged("!Join", ["", Tagged("!Ref", "OidcProviderArns")]), ""])]
    ),
    "HasGoogle": is_set("GoogleClientId"),
    "HasFacebook": is_set("FacebookAppId"),
    "HasAmazon": is_set("AmazonAppId"),
    "HasSocialLogins": Tagged(
        "!Or",
        [{"Condition": name} for name in ("HasGoogle", "HasFacebook", "HasAmazon")],
    ),
    "IsInline": equals("FanOut", "inline"),
    "HasHeartbeat": equals("Heartbeat", "on"),
    "HasChanges": is_set("ChangesStreamArn"),
    "HasChangesLayer": is_set("ChangesLayerArn"),
    "HasWarmInstances": Tagged("!Not", [Tagged("!Equals", [Tagged("!Ref", "WarmInstances"), 0])]),
    "HasTracing": equals("Tracing", "on"),
    "HasAlarmEmail": is_set("AlarmEmail"),
    "HasApiUrl": is_set("ApiUrl"),
    "HasPoolOverride": is_set("IdentityPoolOverride"),
}
