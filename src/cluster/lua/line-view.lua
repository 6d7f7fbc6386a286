-- How many wait and run.
-- Returns JSON {waiting, upstreams: [[running, waiting], ...]} in the order of the settings
local upstreams = {}
for _, slot in ipairs(settings.slots) do
  upstreams[#upstreams + 1] = { running(slot[1]), redis.call('ZCARD', base .. ':w:' .. slot[1]) }
end
return cjson.encode({ waiting = redis.call('HLEN', base .. ':t'), upstreams = upstreams })
