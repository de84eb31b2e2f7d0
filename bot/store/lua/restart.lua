-- Begin the next round of a quiz. Repeating it changes nothing: a round without an answer is not left.
--
-- KEYS  1 practice hash of the person
-- ARGV  1 quiz  2 the round to leave  3 the round after it  4.. items of the quiz
-- Returns the current round, as a string

local fields = {'n:' .. ARGV[1]}
for i = 4, #ARGV do
  fields[#fields + 1] = 'a:' .. ARGV[i]
end
local held = redis.call('HMGET', KEYS[1], unpack(fields))
local current = held[1] or '1'
if current ~= ARGV[2] then
  return current
end
for i = 2, #fields do
  if string.match(held[i] or '', '^(%d+):') == current then
    redis.call('HSET', KEYS[1], fields[1], ARGV[3])
    return ARGV[3]
  end
end
return current
