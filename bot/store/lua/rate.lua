-- Reserve one action of a shared rate (GCRA): the caller waits as long as told, then acts.
--
-- KEYS  1 bucket: string, the theoretical arrival time of the next action in microseconds
-- ARGV  1 interval between actions in microseconds   2 burst: actions allowed at once
-- Returns the microseconds to wait

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
local wait = math.max(0, due - (burst - 1) * interval - now)
redis.call('SET', KEYS[1], string.format('%.0f', due + interval), 'PX', math.ceil((due + interval - now) / 1000) + 1000)
return math.ceil(wait)
