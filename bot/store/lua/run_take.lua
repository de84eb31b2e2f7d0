-- Begin runs that the ready stream delivered. Repeating it with the same tokens gives the same answers.
--
-- KEYS  1.. hash of each run
-- ARGV  1-2 shared  3 worker's id  4 worker's name  5 device
--       6 result when its workers died  7 result when it was cancelled
--       8.. for each run three values: run, entry in the ready stream, token of this delivery
-- Returns for each run
--         {'run', fence, attempt, code}
--       | {'gone'}   cancelled, ended or expired before it began: nothing to do
--       | {'ended'}  it ended here: too many attempts, or cancelled while its worker was lost
--       | {'busy'}   another live worker holds it; the entry goes back to that worker

local worker, time = ARGV[3], now()

local function take(run, id, entry, token)
  local held = redis.call('HMGET', run, 'state', 'fence', 'attempts', 'owner', 'lease', 'cancel', 'token', 'source',
    'team', 'user', 'reply', 'address')
  local state, fence, attempts, owner, cancel = held[1], held[2], tonumber(held[3]), held[4], held[6]
  local team, user = held[9], held[10]
  if not state or state == 'done' then
    forget(entry)
    return {'gone'}
  end
  if state == 'running' and held[7] == token then
    return {'run', fence, attempts, held[8]}
  end
  if state == 'running' and owner ~= worker and tonumber(held[5]) > time then
    -- Only a group that was created anew delivers a run twice within its lease.
    local idle = math.max(0, lease - (held[5] - time))
    redis.call('XCLAIM', ready, 'w', owner, 0, entry, 'IDLE', string.format('%.0f', idle), 'JUSTID')
    return {'busy'}
  end
  if cancel or attempts >= tonumber(most_attempts) then
    redis.call('HINCRBY', run, 'fence', 1)
    local result = cancel and ARGV[7] or ARGV[6]
    close(id, state, team, user, held[11], held[12], cancel and 'cancelled' or 'worker_lost', result, result)
    forget(entry)
    return {'ended'}
  end

  fence, attempts = fence + 1, attempts + 1
  redis.call('HSET', run, 'state', 'running', 'fence', fence, 'attempts', attempts, 'owner', worker, 'token', token,
    'lease', time + lease * 0.9) -- ends before the entry may be claimed, which was delivered a moment ago
  if state == 'ready' then
    count({'waiting', 'team:' .. team, user_field(team, user), 'ready', 'running'}, {-1, -1, -1, -1, 1})
  end
  redis.call('XADD', key('out', id), '*', 'k', 'r', 'f', fence, 'worker', ARGV[4], 'device', ARGV[5],
    'attempt', attempts)
  redis.call('ZADD', open, time + orphan_patience, id)
  return {'run', fence, attempts, held[8]}
end

local answers = {}
for i, run in ipairs(KEYS) do
  local at = 5 + 3 * i
  answers[i] = take(run, ARGV[at], ARGV[at + 1], ARGV[at + 2])
end
return answers
