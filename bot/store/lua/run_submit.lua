-- Hand in a run, or answer why not. Repeating it changes nothing and gives the same acceptance.
--
-- KEYS  1 hash of the run
-- ARGV  1-2 shared  3 run  4 team  5 user  6 reply group  7 address  8 code
-- Returns {'accepted' | 'again', ahead, expected wait in ms or ''}
--       | {'queue_full' | 'team_full' | 'user_full', bound}
--       | {'no_worker'} | {'worker_unavailable', about the worker, as JSON}

local id, team, user = ARGV[3], ARGV[4], ARGV[5]
local before = redis.call('HMGET', KEYS[1], 'ahead', 'ms')
if before[1] then
  return {'again', before[1], before[2]}
end

local time, slots, about = now(), 0, nil
for _, worker in ipairs(redis.call('HVALS', prefix .. 'workers')) do
  local seen, offered, rest = string.match(worker, '^(%d+) (%d+) (.*)$')
  if tonumber(seen) + worker_life > time then
    slots = slots + tonumber(offered)
    about = rest
  end
end
if slots == 0 then
  return about and {'worker_unavailable', about} or {'no_worker'}
end

local mine, theirs, admitted = 'team:' .. team, user_field(team, user), 'admitted:' .. team
local held = redis.call('HMGET', load, theirs, mine, 'waiting', admitted, 'ready', 'running', 'mean')
for i, bound in ipairs({{'user_full', most_user}, {'team_full', most_team}, {'queue_full', most_total}}) do
  if tonumber(held[i] or 0) >= tonumber(bound[2]) then
    return bound
  end
end

local list, ahead = key('wait', team), tonumber(held[5] or 0)
local direct = tonumber(held[4] or 0) < tonumber(team_cap) and (not held[2] or redis.call('EXISTS', list) == 0)
if not direct then
  ahead = ahead + redis.call('LLEN', list)
end
local ms = expected(ahead, slots, tonumber(held[6] or 0), tonumber(held[7] or nil))
redis.call('HSET', KEYS[1], 'state', direct and 'ready' or 'waiting', 'team', team, 'user', user, 'reply', ARGV[6],
  'address', ARGV[7], 'source', ARGV[8], 'ahead', ahead, 'ms', ms, 'fence', 0, 'attempts', 0)
redis.call('PEXPIRE', KEYS[1], source_life)
redis.call('ZADD', open, time + patience, id)
if direct then
  redis.call('XADD', ready, '*', 'run', id)
  redis.call('HSET', load, 'waiting', (held[3] or 0) + 1, mine, (held[2] or 0) + 1, theirs, (held[1] or 0) + 1,
    'ready', (held[5] or 0) + 1, admitted, (held[4] or 0) + 1)
else
  redis.call('RPUSH', list, id)
  count({'waiting', mine, theirs}, {1, 1, 1})
  admit(team) -- the cap may have been raised since the list began
end
return {'accepted', ahead, ms}
