-- Remove a consumer, and others that have been idle for long, from a group; never one that still holds an entry.
--
-- KEYS  1 stream
-- ARGV  1-2 shared  3 group  4 consumer  5 idle time in ms after which others are removed  6 1 = also from the workers
-- Returns how many were removed

local removed = 0
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[3])
if consumers.err then
  consumers = {} -- no stream or no group: nobody to remove
end
for _, row in ipairs(consumers) do
  local name, pending, idle = row[2], row[4], row[6]
  if pending == 0 and (name == ARGV[4] or idle > tonumber(ARGV[5])) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[3], name)
    removed = removed + 1
  end
end
if ARGV[6] == '1' then
  redis.call('HDEL', prefix .. 'workers', ARGV[4])
end
return removed
