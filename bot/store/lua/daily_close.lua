-- Close a question: no answer counts from here on. Or correct a closed one: void it, or give it another key.
--
-- KEYS  1 post   2 channel
-- ARGV  1 'close', 'void' or 'right'  2 the reason, or the key
-- Returns 1, or 0 when there is no such question

local held = redis.call('HMGET', KEYS[1], 'what', 'n', 'state')
local usual = tonumber(redis.call('HGET', KEYS[2], 'typ')) or 0
if not held[1] then
  return 0
end
if ARGV[1] ~= 'close' then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
elseif held[3] == 'o' then
  redis.call('HSET', KEYS[1], 'state', 'c')
  redis.call('HSET', KEYS[2], 'typ', string.format('%d', math.max(tonumber(held[2]) or 0, math.floor(usual * 0.9))))
end
return 1
