-- Replace a record that is there.
--
-- KEYS  1 installations
-- ARGV  1 field  2 the record as it was, or empty for whatever it is  3 the record as it shall be
-- Returns 1 when it was replaced, 0 when it is gone or was replaced meanwhile

local held = redis.call('HGET', KEYS[1], ARGV[1])
if held and (ARGV[2] == '' or ARGV[2] == held) then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  return 1
end
return 0
