-- Change fields of hashes, all of them or none: only while each still holds what was read. Repeating it changes nothing.
--
-- KEYS  hashes of one tenant
-- ARGV  for each change four: the number of its key, field, what it held (empty: nothing), what it holds now (empty:
--       nothing)
-- Returns 1 when it was done, 0 when a field holds something else

for i = 1, #ARGV, 4 do
  local now = redis.call('HGET', KEYS[tonumber(ARGV[i])], ARGV[i + 1]) or ''
  if now ~= ARGV[i + 2] then
    return 0
  end
end

-- Only writes from here on, and none that can fail. What grows comes first: it is refused when memory is full, before
-- any is done.
for i = 1, #ARGV, 4 do
  if ARGV[i + 3] ~= '' then
    redis.call('HSET', KEYS[tonumber(ARGV[i])], ARGV[i + 1], ARGV[i + 3])
  end
end
for i = 1, #ARGV, 4 do
  if ARGV[i + 3] == '' then
    redis.call('HDEL', KEYS[tonumber(ARGV[i])], ARGV[i + 1])
  end
end
return 1
