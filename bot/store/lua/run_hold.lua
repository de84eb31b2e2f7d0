-- Keep the completions that a bot process is still showing.
--
-- KEYS  1 reply stream
-- ARGV  1-2 shared  3 group  4 consumer  5.. entries
-- Returns for each entry 1 still held, 0 taken by another process or delivered

local answers = {}
for i = 5, #ARGV do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[3], ARGV[i], ARGV[i], 1, ARGV[4])
  answers[#answers + 1] = #pending
  if #pending == 1 then
    redis.call('XCLAIM', KEYS[1], ARGV[3], ARGV[4], 0, ARGV[i], 'JUSTID')
  end
end
return answers
