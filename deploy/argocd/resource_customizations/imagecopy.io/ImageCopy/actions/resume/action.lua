-- false is the default, so a manifest without spec.suspend shows no difference.
if obj.spec == nil then
  obj.spec = {}
end
obj.spec.suspend = false
return obj
