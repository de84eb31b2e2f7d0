-- Stop a run in whatever state it is. Repeating it gives the same answer.
--
-- KEYS  1 hash of the run
-- ARGV  1-2 shared  3 run  4 user  5 result of a run that was cancelled before it began
-- Returns 'done', 'asked' (its worker kills it), 'too_late', 'unknown' or 'not_yours'

local id = ARGV[3]
local held = redis.call('HMGET', KEYS[1], 'state', 'team', 'user', 'reply', 'address', 'lease', 'unstarted')
local state = held[1]
if not state then
  return 'unknown'
end
if held[3] ~= ARGV[4] then
  return 'not_yours'
end
if state == 'done' then
  return held[7] and 'done' or 'too_late'
end
redis.call('HSET', KEYS[1], 'cancel', 1)
if state == 'running' and tonumber(held[6]) > now() then
  redis.call('XADD', prefix .. 'ctl', 'MAXLEN', '~', 1000, '*', 'k', 'cancel', 'run', id)
  return 'asked'
end
-- It waits, or its worker is dead: end it here. The entry stays as a tombstone that the next worker drops.
redis.call('HINCRBY', KEYS[1], 'fence', 1)
redis.call('HSET', KEYS[1], 'unstarted', 1)
close(id, state, held[2], held[3], held[4], held[5], 'cancelled', ARGV[5], ARGV[5])
return 'done'
