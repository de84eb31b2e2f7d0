-- Save or remove a schedule, with the version that was seen, and note who did it. Repeating it changes nothing.
--
-- KEYS  1 schedules of the tenant   2 due   3 out   4 audit
-- ARGV  1 member of the post  2 field of the schedule  3 version seen, 0 for a new one  4 the schedule as JSON, empty
--       to remove it  5 when it is due in ms, empty for never  6 now in ms, 0 = the server's clock  7 who  8 what
--       9 length of the audit log  10 channel  11 schedule id
-- Returns {1 saved or 0 changed by someone else, version and schedule as held}
--
-- The fence moves, so that whoever prepares a post under the old settings is refused before sending.

local held = redis.call('HGET', KEYS[1], ARGV[2])
local state = redis.call('HGET', KEYS[3], ARGV[1])
redis.call('ZCARD', KEYS[2])
redis.call('XLEN', KEYS[4])
local version = held and string.match(held, '^(%d+)\31') or '0'
local new = string.format('%d', tonumber(ARGV[3]) + 1) .. '\31' .. ARGV[4]
if (held and held == new) or (not held and ARGV[4] == '') then
  return {1, held or ''}
end
if version ~= ARGV[3] then
  return {0, held or ''}
end
local now = ARGV[6]
if now == '0' then
  local clock = redis.call('TIME')
  now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
end
local fence, doing, day, last = string.match(state or '0:i:-:-', '^(%d+):(%a):([%d-]+):([%d-]+)$')

redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[9], '*', 'at', now, 'who', ARGV[7], 'channel', ARGV[10], 'schedule',
  ARGV[11], 'what', ARGV[8])
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[1], ARGV[2])
else
  redis.call('HSET', KEYS[1], ARGV[2], new)
end
redis.call('HSET', KEYS[3], ARGV[1], string.format('%d', fence + 1) .. ':' .. doing .. ':' .. day .. ':' .. last)
if doing ~= 's' then -- one that is being sent keeps its lease: whoever claims it next finds out what became of it
  if ARGV[5] == '' then
    redis.call('ZREM', KEYS[2], ARGV[1])
  else
    redis.call('ZADD', KEYS[2], ARGV[5], ARGV[1])
  end
end
if ARGV[4] == '' and doing ~= 's' then
  redis.call('HDEL', KEYS[3], ARGV[1])
end
return {1, ARGV[4] == '' and '' or new}
