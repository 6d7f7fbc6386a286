-- Gives back the slot or the place of tickets; what is free goes to whoever is next.
-- ARGV[2] JSON: tickets
-- Returns JSON {started, wake}
for _, id in ipairs(cjson.decode(ARGV[2])) do leave(id) end
dispatch()
return answer({})
