-- Whole notebooks, each as one string: a client reads one long string many times faster than hundreds of short ones.
--
-- KEYS  hashes of one tenant
-- ARGV  none
-- Returns one string for each hash: field, value, field, value and so on, each after its length in four bytes

local out = {}
for number, key in ipairs(KEYS) do
  local parts = redis.call('HGETALL', key)
  for i, part in ipairs(parts) do
    parts[i] = struct.pack('>I4c0', #part, part)
  end
  out[number] = table.concat(parts)
end
return out
