"""The tables in DynamoDB."""

from typing import Any

from bellwire_stack.words import sub


def table(
    name: str,
    hash_key: str,
    sort_key: tuple[str, str] | None = None,
    *,
    expires: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """Return a table that is paid by use, restorable to any second of 35 days, and not deleted
    with the stack.

    Args:
        name: what follows the stack's name.
        hash_key: of strings.
        sort_key: its name and type, e.g. `("n", "N")`.
        expires: whether items go at `expires_at`.
        more: further properties; `AttributeDefinitions` are added to.
    """
    keys = [{"AttributeName": hash_key, "KeyType": "HASH"}]
    attributes = [{"AttributeName": hash_key, "AttributeType": "S"}]
    if sort_key is not None:
        keys.append({"AttributeName": sort_key[0], "KeyType": "RANGE"})
        attributes.append({"AttributeName": sort_key[0], "AttributeType": sort_key[1]})
    properties: dict[str, Any] = {
        "TableName": sub(f"${{AWS::StackName}}-{name}"),
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": keys,
        "AttributeDefinitions": attributes + more.pop("AttributeDefinitions", []),
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True},
        **more,
    }
    if expires:
        properties["TimeToLiveSpecification"] = {"AttributeName": "expires_at", "Enabled": True}
    return {
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": "RetainExceptOnCreate",
        "UpdateReplacePolicy": "Retain",
        "Properties": properties,
    }


def tables() -> dict[str, Any]:
    """Return all of them; what lies in each: the modules of `bellwire.aws` that read it."""
    due = {
        "IndexName": "due",
        "KeySchema": [
            {"AttributeName": "due", "KeyType": "HASH"},
            {"AttributeName": "confirmed_at", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "KEYS_ONLY"},
    }
    return {
        "LogTable": table(
            "log",
            "channel",
            ("n", "N"),
            expires=True,
            StreamSpecification={"StreamViewType": "KEYS_ONLY"},
        ),
        "KeyedTable": table("keyed", "channel", ("k", "S"), expires=True),
        "DirectoryTable": table("directory", "id"),
        "PresenceTable": table(
            "presence",
            "belongs_to",
            ("client_id", "S"),
            expires=True,
            AttributeDefinitions=[
                {"AttributeName": "due", "AttributeType": "S"},
                {"AttributeName": "confirmed_at", "AttributeType": "N"},
            ],
            GlobalSecondaryIndexes=[due],
        ),
    }
