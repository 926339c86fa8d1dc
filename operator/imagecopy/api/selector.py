"""The namespaces that may use a ClusterImageProvider, by name or by label."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from imagecopy.api.base import ApiModel
from imagecopy.api.rules import Rule, extensions
from imagecopy.api.text import NamespaceName

LabelKey = Annotated[str, Field(max_length=317)]
LabelValue = Annotated[str, Field(max_length=63)]


class Operator(StrEnum):
    """How a requirement compares a label, as in metav1.LabelSelectorRequirement."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class Requirement(ApiModel):
    """A requirement on one label."""

    model_config = ConfigDict(
        json_schema_extra=extensions(
            Rule(
                "self.operator in ['In', 'NotIn'] ? (has(self.values) && size(self.values) > 0) : "
                "(!has(self.values) || size(self.values) == 0)",
                "In and NotIn need values; with Exists and DoesNotExist remove values",
            )
        )
    )

    key: LabelKey = Field(examples=["team"])
    """Key of the label."""

    operator: Operator = Field(examples=["In"])
    """Relation of the label to the values: In, NotIn, Exists or DoesNotExist."""

    values: tuple[Annotated[LabelValue, Field(description="A value of the label.")], ...] | None = Field(
        default=None,
        examples=[["web", "db"]],
        json_schema_extra=extensions(list_type="atomic") | {"maxItems": 64},
    )
    """Values for In and NotIn, at most 64. Leave it out with Exists and DoesNotExist."""

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Tell whether these labels meet the requirement. As in Kubernetes, NotIn holds if the label is missing."""
        values = self.values or ()
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in values
            case Operator.NOT_IN:
                return labels.get(self.key) not in values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels


class LabelSelector(ApiModel):
    """The labels that a namespace must have, as in metav1.LabelSelector."""

    model_config = ConfigDict(
        json_schema_extra=extensions(
            Rule(
                "(has(self.matchLabels) && size(self.matchLabels) > 0) || "
                "(has(self.matchExpressions) && size(self.matchExpressions) > 0)",
                "must have matchLabels or matchExpressions; to allow every namespace, remove allowedNamespaces",
            ),
            map_type="atomic",
        )
    )

    match_labels: dict[str, LabelValue] | None = Field(
        default=None,
        max_length=32,
        examples=[{"images": "golden"}],
        json_schema_extra=extensions(map_type="granular"),
    )
    """Labels that the namespace must have: all of them, at most 32."""

    match_expressions: tuple[Requirement, ...] | None = Field(
        default=None,
        examples=[[{"key": "team", "operator": "In", "values": ["web", "db"]}]],
        json_schema_extra=extensions(list_type="atomic") | {"maxItems": 16},
    )
    """Requirements on the namespace's labels: all must hold, at most 16."""

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the selector selects a namespace with these labels."""
        wanted = (self.match_labels or {}).items()
        return all(labels.get(key) == value for key, value in wanted) and all(
            requirement.holds(labels) for requirement in self.match_expressions or ()
        )


class AllowedNamespaces(ApiModel):
    """The namespaces that may use the provider."""

    model_config = ConfigDict(
        json_schema_extra=extensions(
            Rule(
                "has(self.matchNames) != has(self.selector)",
                "set exactly one of matchNames and selector; to allow every namespace, remove allowedNamespaces",
            ),
        )
    )

    match_names: tuple[Annotated[NamespaceName, Field(description="Name of a namespace.")], ...] | None = Field(
        default=None,
        examples=[["team-a", "team-b"]],
        json_schema_extra=extensions(
            Rule(
                "size(self) > 0",
                "must name at least one namespace; to allow every namespace, remove allowedNamespaces",
            ),
            list_type="atomic",
        )
        | {"maxItems": 256},
    )
    """Names of the namespaces, 1 to 256."""

    selector: LabelSelector | None = Field(default=None, examples=[{"matchLabels": {"images": "golden"}}])
    """Selects the namespaces by their labels. A change of a namespace's labels takes effect within seconds."""
