-- Note the message of a question or of its digest; the first one noted stands.
--
-- KEYS  1 post
-- ARGV  1 'message' or 'digest'  2 the platform's id
-- Returns the id that stands; empty when the post is gone or was given up, and must not be seen

local held = redis.call('HMGET', KEYS[1], 'state', ARGV[1])
if not held[1] or held[1] == 'u' then
  return ''
end
if held[2] then
  return held[2]
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return ARGV[2]
