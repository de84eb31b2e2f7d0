-- Publish a run's result, only from the worker that holds it now. Repeating it changes nothing and is accepted again.
--
-- KEYS  1 hash of the run
-- ARGV  1-2 shared  3 run  4 entry  5 fence  6 outcome  7 result  8 result without output and files
--       9 output not yet published, or ''  10 how long it ran, in ms
-- Returns 1 accepted, 0 rejected: another worker holds it, or it has ended otherwise

local id, fence = ARGV[3], ARGV[5]
local held = redis.call('HMGET', KEYS[1], 'state', 'fence', 'team', 'user', 'reply', 'address', 'finished')
if held[7] == fence then
  return 1
end
if held[1] ~= 'running' or held[2] ~= fence then
  return 0
end
if ARGV[9] ~= '' then
  redis.call('XADD', key('out', id), '*', 'k', 'p', 'f', fence, 'text', ARGV[9])
end
close(id, 'running', held[3], held[4], held[5], held[6], ARGV[6], ARGV[7], ARGV[8], fence)
forget(ARGV[4])
local mean = redis.call('HGET', load, 'mean')
redis.call('HSET', load, 'mean', mean and mean * 0.9 + ARGV[10] * 0.1 or ARGV[10])
return 1
