-- Write a question of the day before it is sent, or return the one that stands for this occurrence.
--
-- KEYS  1 post   2 channel   3 bag   4 questions of the date   5 posts
-- ARGV  1 prefix of the tenant's keys  2 post id  3 schedule  4 version of the bag that was read  5 item  6 round
--       7 date yyyymmdd  8 opens in ms  9 name of those who ask together, or empty  10 lifetime of a post in seconds
--       11 lifetime of a date in seconds  12 answers a bucket  13 closes in ms  14.. fields and values of the post
-- Returns 'changed' when the bag has changed since (nothing written), 'stands' when there is one, else its ordinal
--
-- A post of the same schedule that was written and never sent leaves its ordinal as a hole and its question in the bag.

local base, day = ARGV[1], ARGV[7]
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 'stands'
end
local held = redis.call('HMGET', KEYS[2], 'v', 'seq', 'day', 'posts', 'asked', 'typ', 'w:' .. ARGV[3])
if (held[1] or '0') ~= ARGV[4] then
  return 'changed'
end
local asked = (tonumber(held[5]) or 0) + 1
local seq, posts = tonumber(held[2]) or 0, tonumber(held[4]) or 0
local unsent = held[7]
local left = unsent and redis.call('HMGET', base .. 'p:' .. unsent, 'seq', 'item', 'message', 'round') or {}
redis.call('HLEN', KEYS[3])
local first_today = redis.call('HLEN', KEYS[4]) == 0
local open_until = math.max(tonumber(redis.call('HGET', KEYS[4], ARGV[5])) or 0, tonumber(ARGV[13]))
redis.call('ZCARD', KEYS[5])

-- Only writes from here on, and none that can fail.
local channel = {'v', string.format('%d', (tonumber(held[1]) or 0) + 1), 'asked', string.format('%d', asked),
  'w:' .. ARGV[3], ARGV[2]}
if unsent and left[1] and (left[3] or '') == '' then
  redis.call('HSET', base .. 'p:' .. unsent, 'state', 'u')
  if tonumber(left[1]) ~= seq or posts <= 1 then
    channel[#channel + 1] = 'h:' .. left[1]
    channel[#channel + 1] = '1'
  else
    posts = posts - 1
  end
  if left[2] ~= ARGV[5] then
    redis.call('HSET', KEYS[3], left[2], string.format('%d', (tonumber(left[4]) or 1) - 1) .. ':0')
  end
end
if day > (held[3] or '') then
  seq, posts = seq + 1, 1
else
  posts = posts + 1
end
for _, value in ipairs({'seq', string.format('%d', seq), 'posts', string.format('%d', posts), 'day',
    day > (held[3] or '') and day or held[3]}) do
  channel[#channel + 1] = value
end
local buckets = math.max(1, math.ceil((tonumber(held[6]) or 0) / tonumber(ARGV[12])))
redis.call('HSET', KEYS[1], 'seq', string.format('%d', seq), 'nb', string.format('%d', buckets), 'round', ARGV[6],
  unpack(ARGV, 14))
redis.call('EXPIRE', KEYS[1], ARGV[10])
redis.call('HSET', KEYS[2], unpack(channel))
redis.call('HSET', KEYS[3], ARGV[5], ARGV[6] .. ':' .. string.format('%d', asked))
redis.call('HSET', KEYS[4], ARGV[5], string.format('%.0f', open_until))
if ARGV[9] ~= '' then
  redis.call('HSET', KEYS[4], '=' .. ARGV[9], ARGV[5])
end
if first_today then redis.call('EXPIRE', KEYS[4], ARGV[11]) end
redis.call('ZADD', KEYS[5], ARGV[8], ARGV[2])
return string.format('%d', seq)
