-- A node is gone: its slots and places are free.
-- ARGV[2] that node
-- Returns JSON {started, wake}
for _, id in ipairs(redis.call('SMEMBERS', base .. ':n:' .. ARGV[2])) do leave(id) end
dispatch()
return answer({})
