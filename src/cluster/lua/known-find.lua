-- Which upstreams have processed the beginning of a request lately.
-- KEYS     one sorted set for each upstream: see known-add.lua
-- ARGV[1]  for how many ms they are remembered; ARGV[2…] the digests, the shortest prefix first
-- Returns for each upstream the number of the longest one that it knows, from 1; 0 = none
local time = redis.call('TIME')
local oldest = time[1] * 1000000 + time[2] - ARGV[1] * 1000
local longest = {}
for up, key in ipairs(KEYS) do
  local used = redis.call('ZMSCORE', key, unpack(ARGV, 2))
  longest[up] = 0
  for at = #used, 1, -1 do
    if used[at] and tonumber(used[at]) > oldest then
      longest[up] = at
      break
    end
  end
end
return longest
