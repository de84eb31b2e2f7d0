-- Keep the runs that a worker still holds.
--
-- KEYS  1 ready stream
-- ARGV  1-2 shared  3 worker's id  4.. for each run three values: run, entry, fence
-- Returns for each run 'held', 'cancelled' (held, but to be killed) or 'lost' (no longer this worker's)

local worker, until_then = ARGV[3], now() + lease * 0.9 -- see run_take.lua
local answers = {}
for i = 4, #ARGV, 3 do
  local run = key('run', ARGV[i])
  local held = redis.call('HMGET', run, 'state', 'owner', 'fence', 'cancel')
  if held[1] == 'running' and held[2] == worker and held[3] == ARGV[i + 2] then
    redis.call('HSET', run, 'lease', until_then)
    redis.call('XCLAIM', KEYS[1], 'w', worker, 0, ARGV[i + 1], 'JUSTID')
    answers[#answers + 1] = held[4] and 'cancelled' or 'held'
  else
    answers[#answers + 1] = 'lost'
  end
end
return answers
