-- What the run scripts share; it stands in front of each of them.
--
-- KEYS  1 a key of the capability, which decides the slot; the others have the same hash tag, made from the prefix
-- ARGV  1 prefix of every key  2 the settings, numbers with spaces between, times in ms, in the order read below
--
-- States: waiting (in the team's list) > ready (in the ready stream) > running > done. Admitted is ready or running.
-- Returns nothing by itself. The clock is the server's. Numbers that are ids stay strings.

local prefix = ARGV[1]
local team_cap, most_total, most_team, most_user, most_attempts, lease, worker_life, patience, orphan_patience,
  result_life, source_life = string.match(ARGV[2], string.rep('(%d+) ', 11))
local ready, load, open = prefix .. 'ready', prefix .. 'load', prefix .. 'open'

local function key(kind, name)
  return prefix .. kind .. ':' .. name
end

local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function user_field(team, user)
  return 'user:' .. #team .. ':' .. team .. ':' .. user
end

-- Add to counters, in as few commands as there can be. One that comes to 0 is removed, so that the hash names only
-- teams and users with open runs.
local function count(fields, deltas)
  local held, kept, over = redis.call('HMGET', load, unpack(fields)), {}, {}
  for i, field in ipairs(fields) do
    local sum = (held[i] or 0) + deltas[i]
    if sum > 0 then
      kept[#kept + 1] = field
      kept[#kept + 1] = sum
    else
      over[#over + 1] = field
    end
  end
  if kept[1] then
    redis.call('HSET', load, unpack(kept))
  end
  if over[1] then
    redis.call('HDEL', load, unpack(over))
  end
end

local function counter(field)
  return tonumber(redis.call('HGET', load, field) or 0)
end

-- The expected wait in ms when `ahead` runs come first, as a string; '' when nothing is known yet.
local function expected(ahead, slots, running, mean)
  if ahead < slots - running then
    return '0'
  end
  if not mean or slots == 0 then
    return ''
  end
  return string.format('%.0f', (ahead - (slots - running) + 1) * mean / slots)
end

-- Move a team's oldest waiting runs into the ready stream, as far as its cap allows.
local function admit(team)
  local list = key('wait', team)
  if redis.call('EXISTS', list) == 0 then
    return
  end
  local field = 'admitted:' .. team
  while counter(field) < tonumber(team_cap) do
    local id = redis.call('LPOP', list)
    if not id then
      return
    end
    local ahead = counter('ready')
    redis.call('XADD', ready, '*', 'run', id)
    redis.call('HSET', key('run', id), 'state', 'ready')
    redis.call('XADD', key('out', id), '*', 'k', 'w', 'ahead', ahead, 'ms', '')
    count({'ready', field}, {1, 1})
  end
end

-- Take a run out of the counters of the state that it leaves.
local function leave(id, state, team, user)
  local mine, theirs, admitted = 'team:' .. team, user_field(team, user), 'admitted:' .. team
  if state == 'waiting' then
    redis.call('LREM', key('wait', team), 1, id)
    count({'waiting', mine, theirs}, {-1, -1, -1})
  elseif state == 'ready' then
    count({'waiting', mine, theirs, 'ready', admitted}, {-1, -1, -1, -1, -1})
  else
    count({'running', admitted}, {-1, -1})
  end
end

-- End a run: the only place where one ends. `slim` is the result without output and files, for the reply stream.
-- A run that was not delivered leaves its entry in the ready stream: deleting it would make the group's lag wrong.
-- `finished` is the fence of the worker that ended it, '' when none did.
local function close(id, state, team, user, reply, address, outcome, full, slim, finished)
  leave(id, state, team, user)
  redis.call('HSET', key('run', id), 'state', 'done', 'outcome', outcome, 'finished', finished or '')
  local out = key('out', id)
  local last = redis.call('XADD', out, '*', 'k', 'e', 'result', full)
  redis.call('PEXPIRE', out, result_life)
  if reply ~= '' then
    local replies = key('rep', reply)
    redis.call('XADD', replies, '*', 'run', id, 'address', address, 'last', last, 'result', slim)
    redis.call('PEXPIRE', replies, source_life)
  end
  redis.call('ZREM', open, id)
  admit(team)
end

local function forget(entry)
  redis.call('XACK', ready, 'w', entry)
  redis.call('XDEL', ready, entry)
end
