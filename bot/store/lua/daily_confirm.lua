-- Note the message of a question or of its digest; the first one noted stands.
--
-- KEYS  1 post   2 channel
-- ARGV  1 'message' or 'digest'  2 the platform's id  3 schedule  4 post id
-- Returns the id that stands; empty when the post is gone or was given up, and must not be seen

local held = redis.call('HMGET', KEYS[1], 'state', ARGV[1])
local waiting = redis.call('HGET', KEYS[2], 'w:' .. ARGV[3])
if not held[1] or held[1] == 'u' then
  return ''
end
local stands = held[2]
if not stands or stands == '' then
  stands = ARGV[2]
  redis.call('HSET', KEYS[1], ARGV[1], stands)
end
if ARGV[1] == 'message' and waiting == ARGV[4] then
  redis.call('HDEL', KEYS[2], 'w:' .. ARGV[3])
end
return stands
