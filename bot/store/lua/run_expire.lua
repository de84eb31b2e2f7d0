-- End the runs that no worker took in time, or whose last worker is long gone. Any bot may call it at any time.
--
-- KEYS  1 sorted set of open runs
-- ARGV  1-2 shared  3 most runs to look at  4 result of a run that never began
--       5 result of a run whose worker was lost
-- Returns the runs that ended

local time, ended = now(), {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', open, '-inf', time, 'LIMIT', 0, ARGV[3])) do
  local run = key('run', id)
  local held = redis.call('HMGET', run, 'state', 'team', 'user', 'reply', 'address', 'lease')
  local state = held[1]
  if not state or state == 'done' then
    redis.call('ZREM', open, id)
  elseif state == 'running' and tonumber(held[6]) > time then
    redis.call('ZADD', open, time + orphan_patience, id)
  else
    local lost = state == 'running'
    local result = lost and ARGV[5] or ARGV[4]
    redis.call('HINCRBY', run, 'fence', 1)
    close(id, state, held[2], held[3], held[4], held[5], lost and 'worker_lost' or 'refused', result, result)
    ended[#ended + 1] = id
  end
end
return ended
