"""The HTTP API: routes, who may call them, what they are answered by.

Routes are written out as resources of API Gateway: what SAM makes of its own events is not made
by every emulator.
"""

from typing import Any, Final

from bellwire_stack.functions import Function
from bellwire_stack.words import Tagged, att, ref, sub, when

SIGNED: Final = "AWS_IAM"
ROUTES: Final = (
    ("GET", "/v1/config", "poll", None),
    ("GET", "/v1/health", "poll", None),
    ("GET", "/v1/updates", "poll", None),
    ("GET", "/v1/signed/updates", "poll", SIGNED),
    ("GET", "/v1/presence", "presence", None),
    ("POST", "/v1/session", "session", None),
    ("POST", "/v1/publish", "publish", SIGNED),
    ("POST", "/v1/users", "people", SIGNED),
    ("POST", "/v1/kick", "people", SIGNED),
)
ALLOWED_HEADERS: Final = (
    "authorization",
    "content-type",
    "if-none-match",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
)
EXPOSED_HEADERS: Final = ("age", "bellwire-poll-after-ms", "date", "etag", "retry-after")
ACCESS_LOG: Final = (
    '{"requestId":"$context.requestId","route":"$context.routeKey","status":"$context.status",'
    '"ms":"$context.responseLatency","bytes":"$context.responseLength",'
    '"error":"$context.error.message","integration":"$context.integrationErrorMessage"}'
)
"""No path, query, address or header: they hold cursors, identities and bearers."""


def api(functions: list[Function]) -> dict[str, Any]:
    """Return the API, an integration for each function that it calls, and its routes."""
    called = {name for _, _, name, _ in ROUTES}
    made: dict[str, Any] = {
        "HttpApi": {
            "Type": "AWS::ApiGatewayV2::Api",
            "Properties": {
                "Name": sub("${AWS::StackName}"),
                "ProtocolType": "HTTP",
                "CorsConfiguration": {
                    "AllowOrigins": ref("AllowedOrigins"),
                    "AllowMethods": ["GET", "POST"],
                    "AllowHeaders": list(ALLOWED_HEADERS),
                    "ExposeHeaders": list(EXPOSED_HEADERS),
                    "MaxAge": 600,
                },
            },
        },
        "HttpApiLogs": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {
                "LogGroupName": sub("/aws/apigateway/${AWS::StackName}"),
                "RetentionInDays": ref("LogRetentionDays"),
            },
        },
        "HttpApiStage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {
                "ApiId": ref("HttpApi"),
                "StageName": "$default",
                "AutoDeploy": True,
                "AccessLogSettings": {
                    "DestinationArn": att("HttpApiLogs.Arn"),
                    "Format": ACCESS_LOG,
                },
                "DefaultRouteSettings": {
                    "DetailedMetricsEnabled": True,
                    "ThrottlingBurstLimit": ref("ApiBurst"),
                    "ThrottlingRateLimit": ref("ApiRate"),
                },
            },
        },
    }
    for function in functions:
        if function.name in called:
            made |= _integration(function)
    for method, path, name, authorizer in ROUTES:
        made[f"{_title(method, path)}Route"] = _route(f"{method} {path}", name, authorizer)
    made["NoSuchEndpointRoute"] = _route("$default", "poll", None)
    return made


def _integration(function: Function) -> dict[str, Any]:
    title = function.name.title()
    made = {
        f"{title}Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": ref("HttpApi"),
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": _address(function),
                "PayloadFormatVersion": "2.0",
                "TimeoutInMillis": (function.timeout_s + 1) * 1000,
            },
        },
        f"{title}Permission": _permission(ref(function.logical_id)),
    }
    if function.has_alias:
        permission = _permission(ref(f"{function.logical_id}.Alias"))
        made[f"{title}WarmPermission"] = {"Condition": "HasWarmInstances", **permission}
    return made


def _address(function: Function) -> Tagged:
    """Go by the alias only where instances are kept warm for it: it has the parameters of the
    time when its version was published.
    """
    plain = att(f"{function.logical_id}.Arn")
    if not function.has_alias:
        return plain
    return when("HasWarmInstances", ref(f"{function.logical_id}.Alias"), plain)


def _permission(function: Tagged) -> dict[str, Any]:
    source = "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${HttpApi}/*"
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": function,
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": sub(source),
        },
    }


def _route(key: str, name: str, authorizer: str | None) -> dict[str, Any]:
    return {
        "Type": "AWS::ApiGatewayV2::Route",
        "Properties": {
            "ApiId": ref("HttpApi"),
            "RouteKey": key,
            "AuthorizationType": authorizer or "NONE",
            "Target": sub(f"integrations/${{{name.title()}Integration}}"),
        },
    }


def _title(method: str, path: str) -> str:
    parts = [part for part in path.split("/")[2:] if part]
    return "".join(part.title() for part in [method.lower(), *parts])
