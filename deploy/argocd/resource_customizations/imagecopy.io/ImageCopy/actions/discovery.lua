local function table_of(value)
  if type(value) == "table" then
    return value
  end
  return {}
end

local metadata = table_of(table_of(obj).metadata)
local spec = table_of(table_of(obj).spec)
local status = table_of(table_of(obj).status)

local is_true = {}
for _, condition in pairs(table_of(status.conditions)) do
  local entry = table_of(condition)
  if type(entry.type) == "string" then
    is_true[entry.type] = entry.status == "True"
  end
end

local failed = is_true.Stalled == true
local finished = (failed or is_true.Ready == true) and is_true.Reconciling ~= true
local suspended = spec.suspend == true
local deleting = metadata.deletionTimestamp ~= nil

return {
  retry = {
    disabled = deleting or not failed,
    displayName = "Retry",
    iconClass = "fa fa-fw fa-redo",
  },
  suspend = {
    disabled = deleting or suspended or finished,
    displayName = "Suspend",
    iconClass = "fa fa-fw fa-pause",
  },
  resume = {
    disabled = deleting or not suspended,
    displayName = "Resume",
    iconClass = "fa fa-fw fa-play",
  },
}
