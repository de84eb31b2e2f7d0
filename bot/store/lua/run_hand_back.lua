-- Give up a run that this worker holds, or an entry that it read and has not begun, so that another takes it at once.
--
-- KEYS  1 hash of the run
-- ARGV  1-2 shared  3 run  4 entry  5 fence, or '' when not begun  6 worker's id
--       7 attempts to take back: 1 when the run did nothing wrong, else 0
-- Returns 1 handed back, 0 not this worker's any more

local id, entry, fence = ARGV[3], ARGV[4], ARGV[5]
if fence ~= '' then
  local held = redis.call('HMGET', KEYS[1], 'state', 'fence', 'team', 'user')
  if held[1] ~= 'running' or held[2] ~= fence then
    return 0
  end
  local team, user = held[3], held[4]
  redis.call('HSET', KEYS[1], 'state', 'ready', 'fence', fence + 1)
  redis.call('HINCRBY', KEYS[1], 'attempts', 0 - ARGV[7])
  count({'running', 'waiting', 'team:' .. team, user_field(team, user), 'ready'}, {-1, 1, 1, 1, 1})
  redis.call('XADD', key('out', id), '*', 'k', 'w', 'ahead', 0, 'ms', '')
  redis.call('ZADD', open, now() + patience, id)
end
-- Still pending, but idle past the lease: the next sweep of any worker takes it, in its old place, and the notice
-- makes the others sweep now.
local pending = redis.call('XPENDING', ready, 'w', entry, entry, 1, ARGV[6])
if pending[1] then
  redis.call('XCLAIM', ready, 'w', ARGV[6], 0, entry, 'IDLE', lease, 'JUSTID')
  redis.call('XADD', prefix .. 'ctl', 'MAXLEN', '~', 1000, '*', 'k', 'sweep', 'run', id)
end
return 1
