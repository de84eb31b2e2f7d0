-- Write a question of the day before it is sent, or return the one that stands for this occurrence.
--
-- KEYS  1 post   2 channel   3 bag   4 questions of the date   5 posts
-- ARGV  1 prefix of the tenant's keys  2 post id  3 schedule  4 questions asked when the bag was read  5 item  6 round
--       7 date yyyymmdd  8 opens in ms  9 name of those who ask together, or empty  10 lifetime of a post in seconds
--       11 lifetime of a date in seconds  12 answers a bucket  13 closes in ms  14.. the post: what, when without its
--       ordinal and buckets, where, labels, ends
-- Returns 'changed' when the bag has changed since (nothing written), 'stands' when there is one, else its ordinal
--
-- A post of the same schedule that was written and never sent leaves its ordinal as a hole and its question in the bag.

local base, day = ARGV[1], ARGV[7]
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 'stands'
end
local held = redis.call('HMGET', KEYS[2], 'asked', 'seq', 'day', 'typ', 'w:' .. ARGV[3])
if (held[1] or '0') ~= ARGV[4] then
  return 'changed'
end
local asked, seq, unsent = string.format('%d', ARGV[4] + 1), tonumber(held[2]) or 0, held[5]
local newest, posts = string.match(held[3] or '', '^(%d+):(%d+)$')
newest, posts = newest or '', tonumber(posts) or 0
local left = unsent and redis.call('HMGET', base .. 'p:' .. unsent, 'what', 'when', 'message') or {}
redis.call('HLEN', KEYS[3])
local first_today = redis.call('HLEN', KEYS[4]) == 0
local open_until = math.max(tonumber(redis.call('HGET', KEYS[4], ARGV[5])) or 0, tonumber(ARGV[13]))

-- Only writes from here on, and none but the first that can fail.
redis.call('ZADD', KEYS[5], ARGV[8], ARGV[2])
local channel = {'asked', asked, 'w:' .. ARGV[3], ARGV[2]}
if left[1] and not left[3] then
  local item, round = string.match(left[1], '^([^\31]*)\31[^\31]*\31.\31%a*\31(%d*)')
  local ordinal = string.match(left[2], '(%d+)\31%d+$')
  redis.call('HSET', base .. 'p:' .. unsent, 'state', 'u')
  if tonumber(ordinal) ~= seq or posts <= 1 then
    channel[#channel + 1] = 'h:' .. ordinal
    channel[#channel + 1] = '1'
  else
    posts = posts - 1
  end
  if item ~= ARGV[5] then
    redis.call('HSET', KEYS[3], item, string.format('%d', (tonumber(round) or 1) - 1) .. ':0')
  end
end
if day > newest then
  newest, seq, posts = day, seq + 1, 1
else
  posts = posts + 1
end
for _, value in ipairs({'seq', string.format('%d', seq), 'day', string.format('%s:%d', newest, posts)}) do
  channel[#channel + 1] = value
end
local buckets = math.max(1, math.ceil((tonumber(held[4]) or 0) / tonumber(ARGV[12])))
redis.call('HSET', KEYS[1], 'what', ARGV[14], 'when', string.format('%s\31%d\31%d', ARGV[15], seq, buckets), 'where',
  ARGV[16], 'labels', ARGV[17], 'ends', ARGV[18], 'state', 'o')
redis.call('EXPIRE', KEYS[1], ARGV[10])
redis.call('HSET', KEYS[2], unpack(channel))
redis.call('HSET', KEYS[3], ARGV[5], ARGV[6] .. ':' .. asked)
redis.call('HSET', KEYS[4], ARGV[5], string.format('%.0f', open_until))
if ARGV[9] ~= '' then
  redis.call('HSET', KEYS[4], '=' .. ARGV[9], ARGV[5])
end
if first_today then redis.call('EXPIRE', KEYS[4], ARGV[11]) end
return string.format('%d', seq)
