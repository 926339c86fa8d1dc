-- An ImageCopy follows kstatus: observedGeneration, and the conditions Ready, Reconciling and Stalled.
-- Degraded is only a copy that failed permanently, because a Degraded resource ends a sync.
-- Scripts in argocd-cm have no string and math library. An error here shows as Unknown, which ends a sync as well.

local function table_of(value)
  if type(value) == "table" then
    return value
  end
  return {}
end

local function text_of(value, default)
  if type(value) == "string" and value ~= "" then
    return value
  end
  return default
end

local metadata = table_of(table_of(obj).metadata)
local status = table_of(table_of(obj).status)
local generation = tonumber(metadata.generation)

local conditions = {}
for _, condition in pairs(table_of(status.conditions)) do
  local kind = table_of(condition).type
  if type(kind) == "string" then
    conditions[kind] = condition
  end
end
local ready = table_of(conditions.Ready)

local function is_true(kind)
  local condition = table_of(conditions[kind])
  local observed = tonumber(condition.observedGeneration)
  local of_this_spec = observed == nil or generation == nil or observed >= generation
  return condition.status == "True" and of_this_spec
end

local function health(word, message)
  return { status = word, message = message }
end

if metadata.deletionTimestamp ~= nil then
  if ready.reason == "Deleting" or ready.reason == "DeletionBlocked" then
    return health("Progressing", text_of(ready.message, "being deleted"))
  end
  return health("Progressing", "being deleted")
end

-- A new object has -1, which is the default of its CRD.
local observed = tonumber(status.observedGeneration)
if observed == nil or (generation ~= nil and observed ~= generation) then
  return health("Progressing", "waiting for the operator to see this version")
end

if is_true("Reconciling") then
  local message = text_of(conditions.Reconciling.message, "in progress")
  local progress = text_of(status.progress, nil)
  if ready.reason == "Copying" and progress ~= nil then
    message = progress .. " copied, " .. message
  end
  return health("Progressing", message)
end

if is_true("Stalled") then
  return health("Degraded", text_of(conditions.Stalled.message, "failed"))
end

if is_true("Ready") then
  return health("Healthy", text_of(ready.message, ""))
end

if ready.reason == "Suspended" then
  return health("Suspended", text_of(ready.message, "suspended"))
end

return health("Progressing", text_of(ready.message, "in progress"))
