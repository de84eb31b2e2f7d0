-- An occurrence has been posted: from anyone who knows, once. Or an item that does not come back is finished.
--
-- KEYS  1 due   2 out
-- ARGV  1 member  2 fence  3 day, empty for an item that does not come back  4 when the next is due in ms, or empty
--       5 now in ms, 0 = the server's clock  6.. items to add: member, when in ms (+ms: from now), 'always' or
--       'moved': only when someone else has held this one meanwhile, and may have sent as well
-- Returns 1, or 0 when it was done before

local state = redis.call('HGET', KEYS[2], ARGV[1])
local function from_now(ms)
  local now = tonumber(ARGV[5])
  if now == 0 then
    local clock = redis.call('TIME')
    now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  end
  return string.format('%.0f', now + ms)
end
local fence, doing, day, last = string.match(state or '0:i:-:-', '^(%d+):(%a):([%d-]+):([%d-]+)$')
for i = 6, #ARGV, 3 do
  if ARGV[i + 2] == 'always' or fence ~= ARGV[2] then
    local at = ARGV[i + 1]
    if string.sub(at, 1, 1) == '+' then at = from_now(tonumber(at)) end
    redis.call('ZADD', KEYS[1], 'NX', at, ARGV[i])
  end
end
if ARGV[3] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
  return 1
end
if last ~= '-' and last >= ARGV[3] then
  return 0
end
if fence ~= ARGV[2] then -- settings or holder have changed: let someone look again at once
  redis.call('ZADD', KEYS[1], 'XX', from_now(0), ARGV[1])
elseif ARGV[4] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], ARGV[4], ARGV[1])
end
redis.call('HSET', KEYS[2], ARGV[1], fence .. ':i:-:' .. ARGV[3])
return 1
