"""Our Lua has the limits of Argo CD's, so that a script that works here works there."""

import pytest

from gitops.lua import ScriptError, run


@pytest.mark.parametrize("name", ["string", "math", "io", "debug", "coroutine", "os"])
def test_library_is_absent(name: str) -> None:
    assert run(f"return {{ {name} == nil, pcall(require, '{name}') == ('{name}' == 'os') }}", {}) == [True, True]


@pytest.mark.parametrize(
    "script",
    [
        "return ('x'):upper()",
        "return ('x').len",
        "return string.len('x')",
        "return nil.x",
        "return obj.a.b",
        "retrun 1",
    ],
)
def test_script_fails(script: str) -> None:
    with pytest.raises(ScriptError):
        run(script, {})


def test_endless_loop_is_ended() -> None:
    with pytest.raises(ScriptError, match="took too long"):
        run("while true do end", {}, seconds=0.05)


def test_base_and_table_libraries_are_there() -> None:
    script = """
    local names = {}
    for name in pairs(obj) do table.insert(names, name) end
    table.sort(names)
    return { table.concat(names, ","), #names, tostring(1), tonumber("2"), type(select("#")), 'a' .. 'b', #'abc' }
    """
    assert run(script, {"b": 1, "a": 2}) == ["a,b", 2, "1", 2, "number", "ab", 3]


def test_os_has_time_and_date_and_nothing_else() -> None:
    script = """
    local names = {}
    for name in pairs(require("os")) do table.insert(names, name) end
    table.sort(names)
    return names
    """
    assert run(script, {}) == ["date", "time"]


def test_null_is_nil_and_a_list_ends_there() -> None:
    script = "local n = 0; for _ in ipairs(obj.list) do n = n + 1 end; return { obj.none == nil, n, obj.yes }"
    assert run(script, {"none": None, "list": [1, None, 3], "yes": True}) == [True, 1, True]


def test_nothing_is_left_from_one_run_to_the_next() -> None:
    run("leftover = 1", {})
    assert run("return { leftover == nil }", {}) == [True]
