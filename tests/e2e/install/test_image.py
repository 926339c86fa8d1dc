"""The operator with the dependencies that the image has; which are dropped: deploy/image/slim.py."""

import image_tree
from e2e.lab import Lab
from e2e.together import together_with_own_operator


@together_with_own_operator
def test_a_copy_is_made_with_what_the_image_has(lab: Lab) -> None:
    folder = lab.site.folder / "image-tree"
    folder.mkdir()
    operator = lab.operator(PYTHONPATH=str(image_tree.make(folder)))
    lab.connect()
    lab.copy("golden", target={"tags": {"team": "a"}}).until_at_rest("Succeeded")
    assert operator.process.running()
