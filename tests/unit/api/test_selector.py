"""Which namespaces a selector selects, by their labels."""

from typing import Any

import pytest

from imagecopy.api.selector import LabelSelector

_LABELS = {"team": "web", "stage": "test"}


def _requirement(operator: str, *values: str, key: str = "team") -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, **({"values": list(values)} if values else {})}]}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ({"matchLabels": {"team": "web"}}, True),
        ({"matchLabels": {"team": "web", "stage": "test"}}, True),
        ({"matchLabels": {"team": "web", "stage": "prod"}}, False),
        ({"matchLabels": {"images": ""}}, False),
        (_requirement("In", "db", "web"), True),
        (_requirement("In", "db"), False),
        (_requirement("In", "db", key="images"), False),
        (_requirement("NotIn", "db"), True),
        (_requirement("NotIn", "web"), False),
        (_requirement("NotIn", "web", key="images"), True),
        (_requirement("Exists"), True),
        (_requirement("Exists", key="images"), False),
        (_requirement("DoesNotExist", key="images"), True),
        (_requirement("DoesNotExist"), False),
        ({"matchLabels": {"team": "web"}, **_requirement("In", "prod", key="stage")}, False),
    ],
)
def test_selected(selector: dict[str, Any], selected: bool) -> None:
    assert LabelSelector.model_validate(selector).matches(_LABELS) is selected
