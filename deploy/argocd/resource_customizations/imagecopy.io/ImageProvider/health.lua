-- Healthy when a login to the cloud has worked. Progressing while it can recover without help, so that a sync waits.
-- Degraded when it needs a person, so that a sync ends, shows the reason, and does not block the commit that corrects it.
-- Scripts in argocd-cm have no string and math library. An error here shows as Unknown, which ends a sync as well.

local needs_a_person = {
  InvalidConfiguration = true,
  CredentialsInvalid = true,
  PermissionDenied = true,
}

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

local ready = {}
for _, condition in pairs(table_of(status.conditions)) do
  if table_of(condition).type == "Ready" then
    ready = condition
  end
end

local function health(word, message)
  return { status = word, message = message }
end

if metadata.deletionTimestamp ~= nil then
  return health("Progressing", "being deleted")
end

local function is_current(observed)
  return observed ~= nil and observed >= 0 and (generation == nil or observed == generation)
end

local observed = tonumber(status.observedGeneration)
if not is_current(observed) or not is_current(tonumber(ready.observedGeneration) or observed) then
  return health("Progressing", "waiting for the operator to see this version")
end

if ready.status == "True" then
  return health("Healthy", text_of(ready.message, ""))
end

if ready.status == "False" and needs_a_person[text_of(ready.reason, "")] then
  return health("Degraded", text_of(ready.message, ready.reason))
end

return health("Progressing", text_of(ready.message, "not ready"))
