-- Say that a claimed item is about to be sent, or give it back for a later moment. Refused when the fence has moved.
--
-- KEYS  1 due   2 out
-- ARGV  1 member  2 fence  3 state: s sending, i idle, empty to leave it  4 day, empty to leave it  5 when it is due
--       again in ms, empty for never (the item goes), +ms for that long from now  6 now in ms, 0 = the server's clock
-- Returns 1, or 0 when someone else holds it by now, or has finished that day

local state = redis.call('HGET', KEYS[2], ARGV[1])
local fence, doing, day, last = string.match(state or '', '^(%d+):(%a):([%d-]+):([%d-]+)$')
if fence ~= ARGV[2] or (ARGV[3] == 's' and last ~= '-' and last >= ARGV[4]) then
  return 0
end
doing, day = ARGV[3] ~= '' and ARGV[3] or doing, ARGV[4] ~= '' and ARGV[4] or day
local due = ARGV[5]
if string.sub(due, 1, 1) == '+' then
  local now = tonumber(ARGV[6])
  if now == 0 then
    local clock = redis.call('TIME')
    now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  end
  due = string.format('%.0f', now + tonumber(due))
end
if due == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], due, ARGV[1])
end
redis.call('HSET', KEYS[2], ARGV[1], fence .. ':' .. doing .. ':' .. day .. ':' .. last)
return 1
