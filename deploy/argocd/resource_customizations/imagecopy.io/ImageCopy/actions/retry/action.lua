-- An annotation, because it is not in Git and so never reverted. The operator keeps the value it handled last in
-- status.lastHandledRetryAt: the same value again does nothing.
local os = require("os")
if obj.metadata == nil then
  obj.metadata = {}
end
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["imagecopy.io/retry-requested-at"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
