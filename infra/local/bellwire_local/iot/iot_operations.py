"""The operations of the IoT control plane: what each is asked at, needs and answers.

Source: botocore's model of `iot`, 2015-05-28; the permissions:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bellwire_local.iot.iot_policies import IotPolicies, IotRefusal, PolicyVersion

PAGE_SIZE_MAX = 250
PAGE_SIZE_DEFAULT = 25
"""Names in one page. Source: `PageSize` of the model; the default: CLI reference."""

_NUMBER = re.compile(r"[0-9]{1,9}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
ENDPOINT_TYPES = ("iot:Data", "iot:Data-ATS", "iot:Data-Beta")
"""Source: https://docs.aws.amazon.com/iot/latest/apireference/API_DescribeEndpoint.html"""


@dataclass(frozen=True, slots=True)
class Call:
    """A request taken apart: path, query and body by AWS's names of their fields."""

    named: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, object]

    def text(self, name: str) -> str:
        """Return a field of the body that has to be a text.

        Raises:
            IotRefusal: InvalidRequest.
        """
        value = self.body.get(name)
        if not isinstance(value, str) or _SURROGATE.search(value):
            raise IotRefusal("InvalidRequestException", f"{name} is {value!r}; a text is expected")
        return value


@dataclass(frozen=True, slots=True)
class Desk:
    """What an operation works on; `arn_of` makes a policy's ARN of its name."""

    policies: IotPolicies
    arn_of: Callable[[str], str]
    endpoint: str


Answered = Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Route:
    """One operation; `resource` is what a statement must cover, `policy/NAME` or a whole one."""

    method: str
    path: str
    action: str
    resource: Callable[[Call], str]
    perform: Callable[[Desk, Call], Answered]
    has_body: bool = False
    is_attachment: bool = False


def _create_policy(desk: Desk, call: Call) -> Answered:
    name = call.named["policyName"]
    try:
        created = desk.policies.create(name, call.text("policyDocument"))
    except IotRefusal as refusal:
        if refusal.error_type == "ResourceAlreadyExistsException":
            refusal.further = {"resourceId": name, "resourceArn": desk.arn_of(name)}
        raise
    return _describe(desk, created)


def _get_policy(desk: Desk, call: Call) -> Answered:
    version = desk.policies.version(call.named["policyName"])
    oldest = desk.policies.versions(version.name)[0]
    return {
        "policyName": version.name,
        "policyArn": desk.arn_of(version.name),
        "policyDocument": version.document,
        "defaultVersionId": str(version.version),
        "creationDate": oldest.created_s,
        "lastModifiedDate": version.created_s,
        "generationId": str(version.version),
    }


def _delete_policy(desk: Desk, call: Call) -> Answered:
    desk.policies.delete(call.named["policyName"])
    return None


def _list_policies(desk: Desk, call: Call) -> Answered:
    names, further = _page(call, desk.policies.names())
    return {"policies": _name_all(desk, names), **further}


def _create_version(desk: Desk, call: Call) -> Answered:
    is_default = call.query.get("setAsDefault") == "true"
    name, document = call.named["policyName"], call.text("policyDocument")
    created = desk.policies.create_version(name, document, is_default=is_default)
    answered = {**_describe(desk, created), "isDefaultVersion": created.is_default}
    del answered["policyName"]
    return answered


def _list_versions(desk: Desk, call: Call) -> Answered:
    return {
        "policyVersions": [
            {
                "versionId": str(version.version),
                "isDefaultVersion": version.is_default,
                "createDate": version.created_s,
            }
            for version in desk.policies.versions(call.named["policyName"])
        ]
    }


def _get_version(desk: Desk, call: Call) -> Answered:
    version = desk.policies.version(call.named["policyName"], _version_number(call))
    return {
        **_describe(desk, version),
        "isDefaultVersion": version.is_default,
        "creationDate": version.created_s,
        "lastModifiedDate": version.created_s,
        "generationId": str(version.version),
    }


def _set_default_version(desk: Desk, call: Call) -> Answered:
    desk.policies.set_default_version(call.named["policyName"], _version_number(call))
    return None


def _delete_version(desk: Desk, call: Call) -> Answered:
    desk.policies.delete_version(call.named["policyName"], _version_number(call))
    return None


def _attach(desk: Desk, call: Call) -> Answered:
    desk.policies.attach(call.named["policyName"], call.text("target"))
    return None


def _detach(desk: Desk, call: Call) -> Answered:
    desk.policies.detach(call.named["policyName"], call.text("target"))
    return None


def _list_attached(desk: Desk, call: Call) -> Answered:
    names, further = _page(call, desk.policies.attached_to(call.named["target"]))
    return {"policies": _name_all(desk, names), **further}


def _list_targets(desk: Desk, call: Call) -> Answered:
    name = call.named["policyName"]
    desk.policies.versions(name)  # a policy that is not there is refused
    targets, further = _page(call, desk.policies.targets_of(name))
    return {"targets": list(targets), **further}


def _describe_endpoint(desk: Desk, call: Call) -> Answered:
    kind = call.query.get("endpointType", "iot:Data")
    if kind not in ENDPOINT_TYPES:
        expected = ", ".join(ENDPOINT_TYPES)
        raise IotRefusal(
            "InvalidRequestException",
            f"endpointType is {kind!r}; one of these is expected here: {expected}",
        )
    return {"endpointAddress": desk.endpoint}


def _describe(desk: Desk, version: PolicyVersion) -> dict[str, object]:
    return {
        "policyName": version.name,
        "policyArn": desk.arn_of(version.name),
        "policyDocument": version.document,
        "policyVersionId": str(version.version),
    }


def _name_all(desk: Desk, names: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"policyName": name, "policyArn": desk.arn_of(name)} for name in names]


def _version_number(call: Call) -> int:
    return int(call.named["policyVersionId"])


def _page(call: Call, names: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Cut a page out of a sorted list; the marker is the number of names before it."""
    size, marker = call.query.get("pageSize", str(PAGE_SIZE_DEFAULT)), call.query.get("marker", "0")
    if not _NUMBER.fullmatch(size) or not 1 <= int(size) <= PAGE_SIZE_MAX:
        raise IotRefusal(
            "InvalidRequestException", f"pageSize is {size!r}; 1 to {PAGE_SIZE_MAX} is expected"
        )
    if not _NUMBER.fullmatch(marker):
        raise IotRefusal("InvalidRequestException", f"marker is {marker!r}, which is none of ours")
    if call.query.get("isAscendingOrder") == "false":
        names = names[::-1]
    start, end = int(marker), int(marker) + int(size)
    return names[start:end], {"nextMarker": str(end)} if end < len(names) else {}


def _the_policy(call: Call) -> str:
    return f"policy/{call.named['policyName']}"


def _nothing(_call: Call) -> str:
    return "*"


def _the_target(call: Call) -> str:
    """The bare target, which no ARN covers.

    Source: the refusal "… iot:AttachPolicy on resource: ap-southeast-1:81084a40-…" in
    https://github.com/aws-amplify/aws-sdk-android/issues/640
    """
    return call.text("target")


_POLICY = r"/policies/(?P<policyName>[^/]+)"
_VERSION = _POLICY + r"/version/(?P<policyVersionId>[0-9]{1,9})"
_TARGET_POLICY = r"/target-policies/(?P<policyName>[^/]+)"

ROUTES = (
    Route("GET", "/policies", "iot:ListPolicies", _nothing, _list_policies),
    Route("POST", _POLICY, "iot:CreatePolicy", _the_policy, _create_policy, has_body=True),
    Route("GET", _POLICY, "iot:GetPolicy", _the_policy, _get_policy),
    Route("DELETE", _POLICY, "iot:DeletePolicy", _the_policy, _delete_policy),
    Route(
        "POST",
        _POLICY + "/version",
        "iot:CreatePolicyVersion",
        _the_policy,
        _create_version,
        has_body=True,
    ),
    Route("GET", _POLICY + "/version", "iot:ListPolicyVersions", _the_policy, _list_versions),
    Route("GET", _VERSION, "iot:GetPolicyVersion", _the_policy, _get_version),
    Route("PATCH", _VERSION, "iot:SetDefaultPolicyVersion", _the_policy, _set_default_version),
    Route("DELETE", _VERSION, "iot:DeletePolicyVersion", _the_policy, _delete_version),
    Route(
        "PUT",
        _TARGET_POLICY,
        "iot:AttachPolicy",
        _the_target,
        _attach,
        has_body=True,
        is_attachment=True,
    ),
    Route(
        "POST",
        _TARGET_POLICY,
        "iot:DetachPolicy",
        _the_target,
        _detach,
        has_body=True,
        is_attachment=True,
    ),
    Route(
        "POST",
        r"/attached-policies/(?P<target>[^/]+)",
        "iot:ListAttachedPolicies",
        _nothing,
        _list_attached,
    ),
    Route(
        "POST",
        r"/policy-targets/(?P<policyName>[^/]+)",
        "iot:ListTargetsForPolicy",
        _the_policy,
        _list_targets,
    ),
    Route("GET", "/endpoint", "iot:DescribeEndpoint", _nothing, _describe_endpoint),
)
