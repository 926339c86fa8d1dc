"""The operator with the dependencies of the container image, without what deploy/image/slim.py removes."""

from e2e.environment import Environment
from e2e.parallel import parallel_with_own_operator
from support import image_tree


@parallel_with_own_operator
def test_a_copy_is_made_with_what_the_image_has(env: Environment) -> None:
    folder = env.shared.folder / "image-tree"
    folder.mkdir()
    operator = env.operator(PYTHONPATH=str(image_tree.make(folder)))
    env.connect()
    env.copy("golden", target={"tags": {"team": "a"}}).until_finished("Succeeded")
    assert operator.process.running()
