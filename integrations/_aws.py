"""What the integrations of AWS share, and no other may import: whose account it is, calls that keep the total deadline,
what AWS's errors mean, and what AWS wraps its events in. The only file that imports boto3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, cast

import requests
from pydantic import Field

from daemon import http
from daemon.contract import Settings, WebAddress
from daemon.errors import Failure, Permanent, Temporary
from daemon.model import Json
from daemon.secret import Secret, redact

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse
    from botocore.client import BaseClient
    from botocore.exceptions import ClientError

_LARGEST_ANSWER = 16_000_000
_THROTTLED = frozenset(
    {
        "OverLimit",
        "RequestLimitExceeded",
        "RequestThrottled",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
    }
)
_AUTH = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_ABSENT = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "ClusterNotFoundException",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    }
)


def access_key(needs: str) -> Any:
    """The field of an access key id, of an identity that must be allowed `needs`."""
    return Field(
        None,
        description="With `secret_access_key`; none: AWS's own chain (environment, profile, role).",
        json_schema_extra={"get": "AWS: IAM, Users, Security credentials", "scopes": needs},
    )


def secret_key(needs: str) -> Any:
    return Field(
        None,
        description="Of `access_key_id`.",
        json_schema_extra={"get": "shown once, when the access key is made", "scopes": needs},
    )


class Account(Settings):
    """Whose data is read. An integration names both keys anew, with what they must be allowed."""

    endpoint_url: WebAddress | None = Field(None, description="Another address than AWS's, for a proxy or a test.")
    access_key_id: Secret | None = access_key("none of its own")
    secret_access_key: Secret | None = secret_key("none of its own")
    profile: str | None = Field(None, description="A profile of AWS's own configuration, for instance one of a role.")
    deadline: float = Field(20.0, gt=0, description="Seconds that one request may take in all.")


class Service:
    """One service of AWS, in any region. It makes and signs requests by boto3, and sends each once, by our session."""

    def __init__(self, name: str, account: Account, needs: str) -> None:
        """`needs`: the IAM actions that a refusal names."""
        self._name = name
        self._account = account
        self._needs = needs
        self._session = http.session(account.deadline, _LARGEST_ANSWER)
        self._client = lru_cache(None)(self._make)

    def call(self, region: str, operation: str, arguments: Mapping[str, Any], *answers: str) -> dict[str, Any]:
        """`operation`: as boto3 names it. `answers`: what must be in the answer.

        Raises Temporary or Permanent; a page's token that is not valid is Permanent("bad_page").
        """
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            PartialCredentialsError,
            ProfileNotFound,
        )

        try:
            answer: dict[str, Any] = getattr(self._client(region), operation)(**arguments)
        except ClientError as error:
            raise self._failure(error, region) from None
        except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
            raise Permanent("auth", f"{redact(str(error))}{self._hint}") from None
        except BotoCoreError as error:
            raise Temporary("bad_answer", f"{region}: {type(error).__name__}") from None
        if missing := [name for name in answers if name not in answer]:
            raise Temporary("bad_answer", f"{region}: {operation} answered without {', '.join(missing)}")
        return answer

    def _make(self, region: str) -> BaseClient:
        import boto3
        from botocore.config import Config

        account = self._account
        key, secret = account.access_key_id, account.secret_access_key
        session: Any = boto3.session.Session(profile_name=account.profile)
        client: BaseClient = session.client(
            self._name,
            region_name=region,
            endpoint_url=account.endpoint_url,
            aws_access_key_id=key.reveal() if key else None,
            aws_secret_access_key=secret.reveal() if secret else None,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": 1},
                connect_timeout=account.deadline,
                read_timeout=account.deadline,
            ),
        )
        client.meta.events.register(f"before-send.{self._name}", cast(Any, partial(self._send, client)))
        return client

    def _send(self, client: BaseClient, request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        from botocore.awsrequest import AWSResponse

        headers = {name: _text(value) for name, value in request.headers.items()}
        try:
            response = self._session.request(request.method, request.url, data=cast(Any, request.body), headers=headers)
        except requests.RequestException as error:
            raise http.translate(error, sent=False) from None
        if response.status_code >= 500 or response.status_code == 429 or "json" not in _kind(response):
            http.raise_for_status(response.status_code, response.headers, response.text, sent=False)
        if response.status_code < 300:
            shape = client.meta.service_model.operation_model(event_name.rpartition(".")[2]).output_shape
            _expect(http.json_of(response), shape.members if shape else {})
        return AWSResponse(
            request.url, response.status_code, cast(Any, response.headers), cast(Any, _Body(response.content))
        )

    def _failure(self, error: ClientError, region: str) -> Failure:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        message = redact(f"{region}: {code}: {error.response.get('Error', {}).get('Message', '')}"[:300])
        if code in _THROTTLED or status == 429:
            return Temporary("rate_limited", message, timedelta(seconds=1))
        if code in _AUTH or status in (401, 403):
            return Permanent("auth", f"{message}{self._hint}")
        if status >= 500:
            return Temporary("server_error", message)
        if status in (408, 409, 425):
            return Temporary("conflict" if status == 409 else "timeout", message)
        if "NextToken" in code:
            return Permanent("bad_page", message)
        return Permanent("not_found" if code in _ABSENT or status == 404 else "invalid", message)

    @property
    def _hint(self) -> str:
        return (
            f". The identity must be valid and allowed {self._needs}; give it an IAM policy with that, and its keys by"
            " `access_key_id` and `secret_access_key` or by AWS's own chain (role, profile)"
        )


class _Body:
    """A body already read, in the shape that botocore reads."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> list[bytes]:
        return [self._content]


def _expect(answer: Json, names: Iterable[str]) -> None:
    """botocore takes what is not JSON, and what is of another shape, for an empty answer."""
    if not isinstance(answer, dict) or (answer and not set(answer) & set(names)):
        raise Temporary("bad_answer", "the answer is of another shape than AWS's")


def _kind(response: requests.Response) -> str:
    return response.headers.get("content-type", "")


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def unwrapped(document: Json, depth: int = 4) -> Iterator[Json]:
    """What is in a list, in the answer of SQS, in a message of SQS or SNS, or else the document itself.

    A message whose text is not JSON is handed on as its text.
    """
    inner = _inner(document) if depth else None
    if inner is None:
        yield document
    else:
        for one in inner:
            yield from unwrapped(one, depth - 1)


def _inner(document: Json) -> list[Json] | None:
    if isinstance(document, list):
        return document
    if not isinstance(document, dict):
        return None
    if isinstance(messages := document.get("Messages"), list):
        return messages
    for name, beside in (("Body", "MessageId"), ("Message", "TopicArn")):
        if beside in document and isinstance(text := document.get(name), str):
            return [_parsed(text)]
    return None


def _parsed(text: str) -> Json:
    try:
        return http.parse(text)
    except ValueError:
        return text


def read(text: str) -> datetime:
    """An ISO instant; one without a zone is UTC. Raises ValueError or TypeError."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is UTC:
        return instant
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)


def written(instant: datetime) -> str:
    """Always with microseconds, so that texts compare as instants do."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
