"""A made-up trail: CloudTrail-shaped events of about 1.3 kB, and rules of the shape of Sigma's public AWS set."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from daemon.rules.conditions import All, Condition, Field, Not
from daemon.rules.paths import parse_path

_VERBS = ("Create", "Delete", "Describe", "Get", "List", "Put", "Update", "Start", "Stop", "Attach", "Detach", "Modify")
_THINGS = (
    "Bucket", "Role", "User", "Policy", "Key", "Instance", "Snapshot", "Volume", "Trail", "Detector", "Function",
    "Layer", "Cluster", "Service", "Task", "Queue", "Topic", "Table", "Stream", "Secret", "Alarm", "Group", "Subnet",
    "Gateway", "Endpoint", "Domain", "Certificate", "Session", "Device", "Profile",
)  # fmt: skip
_SERVICES = tuple(f"{name}.amazonaws.com" for name in (
    "s3", "iam", "ec2", "kms", "rds", "ecs", "eks", "sts", "sqs", "sns", "lambda", "logs", "route53", "dynamodb",
    "cloudtrail", "guardduty", "secretsmanager", "elasticache", "elasticfilesystem", "ssm", "bedrock", "signin",
))  # fmt: skip
ACTIONS = tuple(
    (service, f"{verb}{_SERVICES.index(service) or ''}{thing}")
    for service in _SERVICES
    for verb in _VERBS
    for thing in _THINGS
)
_AGENTS = ("aws-cli/2.15", "Boto3/1.34", "console.amazonaws.com", "terraform/1.7", "aws-sdk-go/1.50", "kubectl/1.29")
_KINDS = ("IAMUser", "AssumedRole", "Root", "AWSService", "FederatedUser")
_WORDS = tuple(
    f"{a}{b}{c}" for a in ("evil", "kali", "pacu", "scan") for b in ("bot", "kit", "run") for c in range(100)
)


def events(count: int, *, unique: bool, seed: int = 1) -> list[bytes]:
    """Raw lines; with `unique`, ARN, user agent and address are of one event only."""
    chance = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(len(ACTIONS))]
    shuffled = chance.sample(ACTIONS, len(ACTIONS))
    picked = chance.choices(shuffled, weights, k=count)
    return [
        orjson.dumps(_event(chance, n if unique else chance.randrange(50), *action)) for n, action in enumerate(picked)
    ]


def _event(chance: random.Random, who: int, service: str, action: str) -> dict[str, Any]:
    kind = chance.choices(_KINDS, (30, 60, 1, 8, 1))[0]
    agent = f"{_AGENTS[who % len(_AGENTS)]}.{who} md/Botocore#1.34.{who} os/linux#5.10 cfg/retry-mode#standard"
    arn = f"arn:aws:sts::123456789012:assumed-role/worker-{who}/session-{who}"
    event = {
        "eventVersion": "1.09",
        "userIdentity": {
            "type": kind, "userName": f"worker-{who}", "principalId": f"AROA{who:016d}:session-{who}", "arn": arn,
            "accountId": "123456789012",
            "accessKeyId": f"ASIA{who:016d}",
            "sessionContext": {
                "sessionIssuer": {"type": "Role" if kind == "AssumedRole" else kind, "userName": f"worker-{who}"},
                "attributes": {"creationDate": "2026-07-01T08:00:00Z", "mfaAuthenticated": "false"},
                "webIdFederationData": {},
            },
        },
        "eventTime": "2026-07-01T12:00:00Z", "eventSource": service, "eventName": action, "awsRegion": "eu-central-1",
        "sourceIPAddress": f"10.{who >> 16 & 255}.{who >> 8 & 255}.{who & 255}", "userAgent": _marked(chance, agent),
        "requestParameters": {
            "name": _marked(chance, f"thing-{who}"), "maxResults": 100,
            "filterSet": {"items": [{"name": "vpc-id", "valueSet": {"items": [{"value": f"vpc-{who:08x}"}]}}]},
        },
        "responseElements": None, "requestID": f"{who:032x}", "eventID": f"{chance.getrandbits(128):032x}",
        "readOnly": action.startswith(("Get", "List", "Describe")), "eventType": "AwsApiCall", "managementEvent": True,
        "resources": [{"accountId": "123456789012", "type": "AWS::Any::Thing", "ARN": f"arn:aws:any:::thing-{who}"}],
        "recipientAccountId": "123456789012", "eventCategory": "Management",
        "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256",
                       "clientProvidedHostHeader": service},
    }  # fmt: skip
    if chance.random() < 0.05:
        event["errorCode"] = chance.choice(("AccessDenied", "Success", "ThrottlingException"))
    return event


def _marked(chance: random.Random, text: str) -> str:
    """Now and then with a word that some rule looks for."""
    return f"{text} {chance.choice(_WORDS)}" if chance.random() < 0.01 else text


@dataclass(frozen=True, slots=True)
class Line:
    """`path|operator: any of values`, or none of them."""

    path: str
    operator: str
    values: tuple[str, ...]
    negated: bool = False


Lines = tuple[Line, ...]


def rules(count: int, *, exact: bool, seed: int = 2) -> list[Lines]:
    """Most demand a source and names; one in 25 looks only into texts, unless `exact`."""
    chance = random.Random(seed)
    return [tuple(_texts(chance) if not exact and n % 25 == 24 else _action(chance)) for n in range(count)]


def _texts(chance: random.Random) -> Iterator[Line]:
    path = chance.choices(("userAgent", "requestParameters.name"), (3, 1))[0]
    yield Line(path, "contains", tuple(chance.sample(_WORDS, chance.randint(1, 3))))


def _action(chance: random.Random) -> Iterator[Line]:
    service, action = chance.choice(ACTIONS)
    others = [name for source, name in ACTIONS if source == service]
    yield Line("eventSource", "equals", (service,))
    yield Line("eventName", "equals", (action, *chance.sample(others, chance.choice((0, 0, 0, 1, 3, 5)))))
    yield from chance.choice(_MORE)


_MORE: tuple[Lines, ...] = (
    *[()] * 14,
    (Line("errorCode", "exists", (), negated=True),),
    (Line("userIdentity.type", "equals", ("AssumedRole",)),),
    (Line("userIdentity.type", "equals", ("AssumedRole",), negated=True),),
    (Line("userAgent", "contains", ("Boto3", "kubectl")),),
    (Line("userIdentity.arn", "endswith", ("7", "3"), negated=True),),
    (Line("requestParameters.name", "startswith", ("thing-1",)),),
    (Line("userIdentity.sessionContext.sessionIssuer.type", "equals", ("Role",)),),
    (Line("userIdentity.sessionContext.attributes.mfaAuthenticated", "equals", ("false",)),),
    (Line("requestParameters.filterSet", "contains", ('"vpc-id"',)),),
    (Line("awsRegion", "equals", ("eu-central-1", "us-east-1"), negated=True),),
    (Line("sourceIPAddress", "startswith", ("10.0.1", "10.0.2")),),
    (Line("readOnly", "equals", ("false",)),),
    (Line("managementEvent", "equals", ("true",)), Line("eventType", "equals", ("AwsApiCall",))),
    (Line("requestParameters.maxResults", "equals", ("100",)),),
)  # fmt: skip


def condition(lines: Lines) -> Condition:
    """As Sigma means it."""
    return All(tuple(map(_condition, lines)))


def _condition(line: Line) -> Condition:
    path = parse_path(line.path)
    if line.operator == "exists":
        return Field(path, "exists", (not line.negated,))
    field = Field(path, line.operator, line.values, ignore_case=True, loose=True)
    return Not(field) if line.negated else field


def sigma(lines: Lines) -> dict[str, Any]:
    """The same as a Sigma rule."""
    wanted = {_sigma_key(line): _sigma_value(line) for line in lines if not line.negated or line.operator == "exists"}
    unwanted = {_sigma_key(line): _sigma_value(line) for line in lines if line.negated and line.operator != "exists"}
    return {
        "title": "made up",
        "logsource": {"product": "aws", "service": "cloudtrail"},
        "detection": {
            "selection": wanted, **({"filter": unwanted} if unwanted else {}),
            "condition": "selection and not filter" if unwanted else "selection",
        },
        "level": "medium",
    }  # fmt: skip


def _sigma_key(line: Line) -> str:
    return line.path if line.operator in {"equals", "exists"} else f"{line.path}|{line.operator}"


def _sigma_value(line: Line) -> Any:
    return None if line.operator == "exists" else list(line.values)


def cel(lines: Lines) -> str:
    """The same as an expression over `e`, cased: the trail is always spelled alike."""
    return " && ".join(map(_cel, lines))


def _cel(line: Line) -> str:
    where = f"e.{line.path}"
    if line.operator == "exists":
        return f"!has({where})"
    call = {"contains": "contains", "startswith": "startsWith", "endswith": "endsWith"}
    each = [
        f"{where} == '{value}'" if line.operator == "equals" else f"{where}.{call[line.operator]}('{value}')"
        for value in line.values
    ]
    return f"{'!' if line.negated else ''}({' || '.join(each)})"
