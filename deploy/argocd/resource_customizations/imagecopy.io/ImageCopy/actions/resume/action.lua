-- false is the default, so this is no difference to a manifest that leaves spec.suspend out.
if obj.spec == nil then
  obj.spec = {}
end
obj.spec.suspend = false
return obj
