-- Counts the open sockets of an account on one node, if all nodes together have not as many as there may be.
-- KEYS[1] hash: node → "sockets:valid until" in ms
-- ARGV[1] node, [2] its sockets, [3] most of all nodes (0 = any number), [4] how long that is valid, in ms
-- Returns 1, or 0 when there would be too many: then nothing is changed
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local own, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local all = own
local fields = redis.call('HGETALL', KEYS[1])
for at = 1, #fields, 2 do
  local count, valid = string.match(fields[at + 1], '(%d+):(%d+)')
  if tonumber(valid) < now then
    redis.call('HDEL', KEYS[1], fields[at])
  elseif fields[at] ~= ARGV[1] then
    all = all + count
  end
end
if most > 0 and all > most then return 0 end
if own == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%d:%d', own, now + ARGV[4]))
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return 1
