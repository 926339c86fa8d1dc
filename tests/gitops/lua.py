"""Lua 5.1 with the limits that Argo CD sets to the scripts of argocd-cm.

A script has the base library, `table`, `require`, and an `os` with two functions that only `require` returns. It does
not have `string` (or methods of strings), `math`, `io`, `debug` and `coroutine`. It is stopped after a second. Each run
starts with a fresh state. The object is the global `obj`, in which JSON's null is nil.
"""

from collections.abc import Mapping
from typing import Any, Final

from lupa import lua51  # type: ignore[import-untyped]

Json = Any
"""Any JSON value."""

SECONDS: Final = 1.0

_LIMITS: Final = """
local hook, clock, seconds = debug.sethook, os.clock, ...
getmetatable("").__index = nil
local safe_os = {time = os.time, date = os.date}
for name in pairs(package.loaded) do
  if name ~= "_G" and name ~= "table" and name ~= "package" then
    package.loaded[name] = nil
  end
end
for _, name in ipairs({"string", "math", "io", "debug", "coroutine", "os"}) do
  _G[name] = nil
end
package.preload.os = function() return safe_os end
local error, begin = error, clock()
hook(function()
  if clock() - begin > seconds then
    error("took too long", 0)
  end
end, "", 10000)
"""


class ScriptError(Exception):
    """The script failed, did not compile, or took too long."""


def run(script: str, obj: Json, seconds: float = SECONDS) -> Json:
    """Run a script on an object; return its result.

    A table with the keys 1 to n is returned as a list, an empty table as {}.

    Raises:
        ScriptError: the script failed. Argo CD would show this as an error.
    """
    runtime = lua51.LuaRuntime(register_eval=False, register_builtins=False)
    compiled = runtime.compile(_LIMITS)
    compiled(seconds)
    runtime.globals()["obj"] = _to_lua(runtime, obj)
    runtime.globals()["actionParams"] = runtime.table()
    try:
        return _from_lua(runtime.execute(script))
    except lua51.LuaError as exc:
        raise ScriptError(str(exc)) from None


def _to_lua(runtime: Any, value: Json) -> Any:
    if isinstance(value, Mapping):
        return runtime.table_from({key: _to_lua(runtime, item) for key, item in value.items() if item is not None})
    if isinstance(value, list | tuple):
        table = runtime.table()
        for place, item in enumerate(value, start=1):
            if item is not None:
                table[place] = _to_lua(runtime, item)
        return table
    return value


def _from_lua(value: Any) -> Json:
    if lua51.lua_type(value) != "table":
        return value
    items = {key: _from_lua(item) for key, item in value.items()}
    if items and set(items) == set(range(1, len(items) + 1)):
        return [items[place] for place in range(1, len(items) + 1)]
    return items
