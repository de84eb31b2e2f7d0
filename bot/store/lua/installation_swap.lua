-- Put the same record under a newer key, unless it was replaced meanwhile.
--
-- KEYS  1 installations
-- ARGV  1 field  2 the record as it was  3 the record as it shall be
-- Returns 1 when it was swapped

if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  return 1
end
return 0
