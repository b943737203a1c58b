"""The functions: what each may do, what calls it, and where its failures go."""

from dataclasses import dataclass, field
from typing import Any, Final

from bellwire_stack.policies import LAMBDA_TRUST, Statement, own_logs
from bellwire_stack.words import Tagged, att, ref, sub, when

MAX_EVENT_AGE_S: Final = 21_600


@dataclass(frozen=True, slots=True)
class Function:
    """A function of `bellwire.functions`.

    Attributes:
        name: its module.
        does: in words.
        statements: what it may do besides writing its log.
        timeout_s: of one call.
        memory_mb: more memory is more processor as well.
        events: SAM events that call it.
        is_asynchronous: whether AWS calls it and keeps what fails: at first for retries, then in
            the dead letters.
        condition: whether it is there.
        keeps_failures: whether an asynchronous call that failed is tried again, and then kept.
        environment: besides what all have.
        layers: besides the one that all have.
        has_alias: whether callers go by an alias, for which instances can be kept warm.
    """

    name: str
    does: str
    statements: tuple[Statement, ...]
    timeout_s: int = 10
    memory_mb: int = 512
    events: dict[str, Any] = field(default_factory=dict)
    is_asynchronous: bool = False
    condition: str | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    layers: tuple[Any, ...] = ()
    has_alias: bool = False
    keeps_failures: bool = True

    @property
    def logical_id(self) -> str:
        """Its name in the template, e.g. `"PollFunction"`."""
        return f"{self.name.title()}Function"

    @property
    def role_id(self) -> str:
        """Its role's name in the template."""
        return f"{self.name.title()}Role"

    @property
    def full_name(self) -> Tagged:
        """Its name on AWS."""
        return sub(f"${{AWS::StackName}}-{self.name}")

    def resources(self) -> dict[str, Any]:
        """Return the function, its role and its log group."""
        made = {
            self.role_id: self._role(),
            f"{self.name.title()}Logs": self._logs(),
            self.logical_id: self._function(),
        }
        if self.condition is not None:
            made = {name: {"Condition": self.condition, **one} for name, one in made.items()}
        return made

    def _role(self) -> dict[str, Any]:
        statements = [own_logs(self.name), *self.statements]
        properties: dict[str, Any] = {
            "AssumeRolePolicyDocument": LAMBDA_TRUST,
            "Policies": [
                {
                    "PolicyName": self.name,
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
                }
            ],
            "ManagedPolicyArns": when(
                "HasTracing",
                ["arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"],
            ),
        }
        if self.name == "session":  # others' trust policies name it
            properties = {"RoleName": sub("${AWS::StackName}-session_role"), **properties}
        return {"Type": "AWS::IAM::Role", "Properties": properties}

    def _logs(self) -> dict[str, Any]:
        return {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {
                "LogGroupName": sub(f"/aws/lambda/${{AWS::StackName}}-{self.name}"),
                "RetentionInDays": ref("LogRetentionDays"),
            },
        }

    def _function(self) -> dict[str, Any]:
        properties: dict[str, Any] = {
            "FunctionName": self.full_name,
            "Description": self.does,
            "Handler": f"bellwire.functions.{self.name}.handler",
            "Role": att(f"{self.role_id}.Arn"),
            "Timeout": self.timeout_s,
            "MemorySize": self.memory_mb,
            "LoggingConfig": {"LogGroup": ref(f"{self.name.title()}Logs")},
        }
        if self.has_alias:
            properties["AutoPublishAlias"] = "live"
            # Else none is published for a new library: a function's own package never changes.
            properties["AutoPublishAliasAllProperties"] = True
            properties["ProvisionedConcurrencyConfig"] = when(
                "HasWarmInstances", {"ProvisionedConcurrentExecutions": ref("WarmInstances")}
            )
        if self.layers:
            properties["Layers"] = list(self.layers)
        if self.environment:
            properties["Environment"] = {"Variables": self.environment}
        if self.events:
            properties["Events"] = self.events
        if self.is_asynchronous:
            properties["EventInvokeConfig"] = self._asynchronous()
        return {"Type": "AWS::Serverless::Function", "Properties": properties}

    def _asynchronous(self) -> dict[str, Any]:
        if not self.keeps_failures:
            return {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}
        return {
            "MaximumEventAgeInSeconds": MAX_EVENT_AGE_S,
            "MaximumRetryAttempts": 2,
            "DestinationConfig": {
                "OnFailure": {"Type": "SQS", "Destination": att("DeadLettersQueue.Arn")}
            },
        }
