-- Change fields of hashes, all of them or none: only while each still holds what was read. Repeating it changes nothing.
--
-- KEYS  1 opted out   2.. hashes of the same tenant
-- ARGV  1 number of people the change is about, then the people; then for each change four: the number of its hash,
--       field, what it held (empty: nothing), what it holds now (empty: nothing)
-- Returns 1 when it was done, 0 when a field holds something else, -1 when one of the people is not to be recorded

local first = tonumber(ARGV[1]) + 2
for i = 2, first - 1 do
  if redis.call('SISMEMBER', KEYS[1], ARGV[i]) == 1 then
    return -1
  end
end
for i = first, #ARGV, 4 do
  local now = redis.call('HGET', KEYS[tonumber(ARGV[i]) + 1], ARGV[i + 1]) or ''
  if now ~= ARGV[i + 2] then
    return 0
  end
end

-- Only writes from here on, and none that can fail. What grows comes first: it is refused when memory is full, before
-- any is done.
for i = first, #ARGV, 4 do
  if ARGV[i + 3] ~= '' then
    redis.call('HSET', KEYS[tonumber(ARGV[i]) + 1], ARGV[i + 1], ARGV[i + 3])
  end
end
for i = first, #ARGV, 4 do
  if ARGV[i + 3] == '' then
    redis.call('HDEL', KEYS[tonumber(ARGV[i]) + 1], ARGV[i + 1])
  end
end
return 1
