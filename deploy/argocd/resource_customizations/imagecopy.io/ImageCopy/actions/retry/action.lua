-- An annotation is not in Git, so self-heal does not revert it. The operator keeps the last handled value in
-- status.lastHandledRetryAt, and the same value again does nothing.
local os = require("os")
if obj.metadata == nil then
  obj.metadata = {}
end
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["imagecopy.io/retry-requested-at"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
