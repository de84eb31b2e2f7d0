-- What the channels of a tenant earned, and how many people earned it.
--
-- KEYS  1 what channels earned
-- ARGV  1 prefix of the tenant's boards  2 label of the period
-- Returns {channel, points, people, channel, ...}

local function escaped(id)
  return (string.gsub(string.gsub(string.gsub(id, '%%', '%%25'), '{', '%%7B'), '}', '%%7D'))
end

local out = {}
local earned = redis.call('HGETALL', KEYS[1])
for i = 1, #earned, 2 do
  out[#out + 1] = earned[i]
  out[#out + 1] = earned[i + 1]
  out[#out + 1] = redis.call('ZCARD', ARGV[1] .. escaped(earned[i]) .. ':' .. ARGV[2])
end
return out
