-- Take a person off a board, and out of what their channel earned.
--
-- KEYS  1 board   2 what channels earned in that period
-- ARGV  1 user  2 channel
-- Returns 1, or 0 for whoever is not on it

local UNIT = 4294967296 -- points * 2^32 + tie
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
local earned = redis.call('HGET', KEYS[2], ARGV[2])
if not score then
  return 0
end
redis.call('ZREM', KEYS[1], ARGV[1])
if earned then
  redis.call('HINCRBY', KEYS[2], ARGV[2], string.format('%d', -math.floor(tonumber(score) / UNIT)))
end
return 1
