-- A worker says that it is alive; those long silent are removed.
--
-- KEYS  1 workers hash
-- ARGV  1-2 shared  3 worker's id  4 slots, 0 when its sandbox is unavailable  5 about it, as JSON
-- Returns how many workers are known

local time = now()
redis.call('HSET', KEYS[1], ARGV[3], string.format('%.0f %d ', time, ARGV[4]) .. ARGV[5])
local known = redis.call('HGETALL', KEYS[1])
local left = #known / 2
for i = 1, #known, 2 do
  if tonumber(string.match(known[i + 1], '^%d+')) + worker_life * 6 < time then
    redis.call('HDEL', KEYS[1], known[i])
    left = left - 1
  end
end
return left
