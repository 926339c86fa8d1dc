"""The string types of the API, each with its maximum length and its validation rules.

``maxLength`` limits the cost of the rules. For a format of fixed length it is larger than that length: a value with a
pasted space then reaches the rule, whose message is better.
"""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, PlainSerializer, WithJsonSchema

from imagecopy.api.rules import Rule, extensions, matches

_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_HOST: Final = r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"


def _text(max_length: int, *rules: Rule, empty: str | None = None) -> Any:
    """Return the constraints of a string. ``empty`` is the advice for "", which is then checked by no other rule."""
    if empty is not None:
        refuse_empty = Rule("self != ''", f"must not be empty: {empty}")
        rules = (refuse_empty, *(Rule(f"self == '' || {rule.expression}", rule.message) for rule in rules))
    return Field(max_length=max_length, json_schema_extra=extensions(*rules))


def _uuid(what: str, example: str) -> Rule:
    return matches(
        _UUID,
        f"must be {what}: a UUID in lower case without spaces, as the cloud's console shows it, for example {example}",
    )


def _url(path: str, message: str, empty: str) -> Any:
    port = "url(self).getPort()"
    parts = [
        f"self.matches(r'^https?://{_HOST}(:[0-9]{{1,5}})?{path}$')",
        "isURL(self)",
        f"({port} == '' || (int({port}) >= 1 && int({port}) <= 65535))",
    ]
    return _text(512, Rule(f"({' && '.join(parts)})", message), empty=empty)


ImageID = Annotated[str, _text(64, _uuid("an image id", "7c9a2b1e-4f60-4d6b-9c0f-2f1d3b5a8e47"))]
"""Id of an image in the cloud."""

KeyID = Annotated[
    str,
    _text(
        64,
        _uuid("a key id", "0d0466b0-e727-4d9c-b35d-f84bb474a37f"),
        empty="give the id of the KMS key. Only if the copy should NOT be encrypted, remove the field",
    ),
]
"""Id of a KMS key."""

EnterpriseProjectID = Annotated[
    str,
    _text(
        64,
        matches(
            f"0|{_UUID}",
            'must be "0" for the default enterprise project or the id of another one: a UUID in lower case without '
            "spaces, as the cloud's console shows it, for example 0aad99bc-f5f6-4f78-8404-c598d76b0ed2",
        ),
        empty="give the id of the enterprise project, or remove the field to use the default one",
    ),
]
"""Id of an enterprise project, or "0"."""

ImageName = Annotated[
    str,
    _text(
        128,
        matches(
            r"[\p{Han}A-Za-z0-9._ -]*",
            "may contain only letters (A-Z, a-z), digits, Chinese characters, '-', '.', '_' and spaces: "
            "remove all other characters, including tabs and line breaks",
        ),
        Rule(
            "(!self.startsWith(' ') && !self.endsWith(' '))",
            "must not begin or end with a space: remove the space",
        ),
        empty="give the name of the copy, or remove the field to use metadata.name",
    ),
]
"""Name of an image in the cloud."""

ImageDescription = Annotated[
    str,
    _text(
        980,
        Rule(
            r"!self.matches(r'[\r\n<>]')",
            "must not contain line breaks, < or >: remove them (in YAML, >- instead of | joins lines)",
        ),
        empty="give a description, or remove the field",
    ),
]
"""Description of an image in the cloud: at most 1024 characters, less the room for the operator's marker."""

_OBJECT_NAME: Final = matches(
    rf"{_LABEL}(\.{_LABEL})*",
    "must be the name of a Kubernetes object: lower-case letters, digits, '-' and '.', "
    "beginning and ending with a letter or digit",
)

ProviderName = Annotated[
    str, _text(253, _OBJECT_NAME, empty="give the name of a provider, or remove the field to use the one named default")
]
"""Name of a provider (DNS-1123 subdomain)."""

SecretName = Annotated[str, _text(253, _OBJECT_NAME)]
"""Name of a Secret (DNS-1123 subdomain)."""

NamespaceName = Annotated[
    str,
    _text(
        63,
        matches(
            _LABEL,
            "must be the name of a namespace: lower-case letters, digits and '-', "
            "beginning and ending with a letter or digit",
        ),
    ),
]
"""Name of a namespace (DNS-1123 label)."""

ProjectID = Annotated[
    str,
    _text(
        64,
        matches(
            "[0-9a-f]{32}",
            "must be a project id: 32 hex digits in lower case without spaces, as the cloud's console shows it under "
            "My Credentials, for example 5dd3c0b24cdc4d31952c49589182a89d",
        ),
        empty="give the id of the project, or remove the field to use the Secret's projectName",
    ),
]
"""Id of a project of the cloud."""

Region = Annotated[
    str,
    _text(
        64,
        matches(
            _LABEL,
            "must be a region id, as the cloud's console shows it: lower-case letters, digits and '-', "
            "for example eu-de",
        ),
        empty="give the id of the region, for example eu-de, or remove the field",
    ),
]
"""Id of a region of the cloud."""

_TAG: Final = r"[\p{Han}A-Za-z0-9_-]*"

Tags = Annotated[
    dict[str, Annotated[str, Field(max_length=43)]],
    Field(
        max_length=10,
        json_schema_extra=extensions(
            Rule(
                "self.all(key, size(key) >= 1 && size(key) <= 36)",
                "tag keys must have 1 to 36 characters: shorten or remove the others",
            ),
            Rule(
                f"self.all(key, key.matches(r'^{_TAG}$') && self[key].matches(r'^{_TAG}$'))",
                "tag keys and values may contain only letters (A-Z, a-z), digits, Chinese characters, '_' and '-': "
                "remove all other characters",
            ),
            map_type="granular",
        ),
    ),
]
"""Tags of an image in the cloud."""

ServiceURL = Annotated[
    str,
    _url(
        "",
        "must be https://host or https://host:port without user, path, query or trailing slash, "
        "for example https://ims.eu-de.otc.t-systems.com (http:// only for hosts that the operator's settings allow)",
        empty="give the URL, or remove the field to use the known endpoint or the one that the login returns",
    ),
]
"""URL of a cloud service."""

LoginURL = Annotated[
    str,
    _url(
        "(/v3)?",
        "must be https://host or https://host:port, with or without /v3 at its end, without user, other path, query or "
        "trailing slash, for example https://iam.eu-de.otc.t-systems.com/v3 (http:// only for hosts that the "
        "operator's settings allow)",
        empty="give the URL, or remove the field to use the known endpoint for cloud and region",
    ),
]
"""URL of the cloud's identity service."""

CABundle = Annotated[
    str,
    _text(
        65536,
        Rule(
            "!self.contains('PRIVATE KEY')",
            "must not contain a private key: give only CA certificates, and replace this key, as it is exposed now",
        ),
        Rule(
            "self.contains('-----BEGIN CERTIFICATE-----') && self.contains('-----END CERTIFICATE-----')",
            "must contain a PEM certificate, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, "
            "as plain text and not encoded in base64 again",
        ),
        empty="give CA certificates in PEM, or remove the field to trust the public CAs",
    ),
]
"""CA certificates in PEM."""


class _Clip:
    """Shortens a text of the cloud instead of refusing it, so that a long text never prevents a status write."""

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length

    def __call__(self, value: str) -> str:
        return value if len(value) <= self.max_length else value[: self.max_length - 1] + "…"


def _clipped(max_length: int) -> tuple[Any, ...]:
    # On writing as well: model_copy(update=...) does not validate.
    clip = _Clip(max_length)
    return (
        AfterValidator(clip),
        PlainSerializer(clip, return_type=str),
        Field(json_schema_extra={"maxLength": max_length}),
    )


Message = Annotated[str, *_clipped(1024)]
"""A message for people, cut at 1024 characters."""

Word = Annotated[str, *_clipped(128)]
"""A code or id of the cloud that is only shown, cut at 128 characters."""

JobID = Annotated[str, Field(max_length=256)]
"""Id of a job: 32 hex digits as far as known. It is never cut, because the operator finds the job only by it."""


def known_words(*words: str) -> WithJsonSchema:
    """Return the schema of an open enum: any word is valid, and the description lists the known ones.

    With a closed enum, the API server would refuse a status with a word that is newer than the installed CRD.
    """
    return WithJsonSchema({"type": "string", "maxLength": 64, "x-known-values": list(words)})
