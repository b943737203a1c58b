"""Who people are and what they hold: the identity pool, its roles, secrets, rules of logins."""

from typing import Any

from bellwire_stack.policies import document, trust
from bellwire_stack.words import att, ref, sub, when, yes_if


def identity() -> dict[str, Any]:
    """Return the pool, the roles of people and jobs, and what logins need."""
    return {
        "IdentityPool": {
            "Type": "AWS::Cognito::IdentityPool",
            "Properties": {
                "IdentityPoolName": sub("${AWS::StackName}"),
                "AllowUnauthenticatedIdentities": yes_if("HasGuests"),
                "AllowClassicFlow": False,  # by it an older token makes a newer one
                "DeveloperProviderName": ref("DeveloperProvider"),
                "OpenIdConnectProviderARNs": when("HasOidc", ref("OidcProviderArns")),
                "SupportedLoginProviders": when("HasSocialLogins", _social_logins()),
            },
        },
        "IdentityPoolRoles": {
            "Type": "AWS::Cognito::IdentityPoolRoleAttachment",
            "Properties": {
                "IdentityPoolId": ref("IdentityPool"),
                "Roles": {
                    "authenticated": att("MemberRole.Arn"),
                    "unauthenticated": when("HasGuests", att("GuestRole.Arn")),
                },
            },
        },
        "GuestRole": {"Condition": "HasGuests", **_role("guest_role")},
        "MemberRole": _role("member_role"),
        "NarrowedRole": {"DependsOn": "SessionRole", **_role("narrowed_role")},
        "PublisherRole": _role("publisher_role"),
        "OperatorRole": _role("operator_role"),
        "BearerSecret": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {
                "Description": "Signs the bearers of narrowed sessions",
                "GenerateSecretString": {"PasswordLength": 64, "ExcludePunctuation": True},
            },
        },
        "LoginSecret": {
            "Condition": "HasLoginSecret",
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {
                "Description": "What the application's login signs its tokens with",
                "SecretString": ref("LoginSecretValue"),
            },
        },
        "LoginsParameter": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {
                "Name": sub("/${AWS::StackName}/logins"),
                "Type": "String",
                "Value": ref("Logins"),
                "Description": "Which logins are taken: bellwire.functions.login_rules",
            },
        },
    }


def _role(name: str) -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": sub(f"${{AWS::StackName}}-{name}"),
            "AssumeRolePolicyDocument": trust(name),
            "Policies": [{"PolicyName": name, "PolicyDocument": document(name)}],
        },
    }


def _social_logins() -> dict[str, Any]:
    return {
        "accounts.google.com": when("HasGoogle", ref("GoogleClientId")),
        "graph.facebook.com": when("HasFacebook", ref("FacebookAppId")),
        "www.amazon.com": when("HasAmazon", ref("AmazonAppId")),
    }
