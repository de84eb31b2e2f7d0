-- Take work that is due, each item for the length of a lease; what nobody finishes comes back by itself.
--
-- KEYS  1 due   2 out
-- ARGV  1 now in ms, 0 = the server's clock  2 lease in ms  3 most items  4 prefix of the keys of schedules
-- Returns {now, member, "fence:state:day:last", schedule or '', member, ...}

local now = tonumber(ARGV[1])
if now == 0 then
  local clock = redis.call('TIME')
  now = clock[1] * 1000 + math.floor(clock[2] / 1000)
end
local members = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[3])
local out = {string.format('%.0f', now)}
if #members == 0 then
  return out
end
local states, schedules = redis.call('HMGET', KEYS[2], unpack(members)), {}
for i, member in ipairs(members) do
  local tenant, channel, id = string.match(member, '^([^\31]*)\31([^\31]*)\31([^\31]*)')
  if string.find(tenant, '[%%{}]') then
    tenant = string.gsub(string.gsub(string.gsub(tenant, '%%', '%%25'), '{', '%%7B'), '}', '%%7D')
  end
  schedules[i] = redis.call('HGET', ARGV[4] .. tenant, channel .. '\31' .. id) or ''
end
local ends, taken, scored = string.format('%.0f', now + tonumber(ARGV[2])), {}, {}
for i, member in ipairs(members) do
  local fence, rest = string.match(states[i] or '0:i:-:-', '^(%d+)(:.*)$')
  local state = string.format('%d', fence + 1) .. rest
  taken[2 * i - 1], taken[2 * i] = member, state
  scored[2 * i - 1], scored[2 * i] = ends, member
  out[3 * i - 1], out[3 * i], out[3 * i + 1] = member, state, schedules[i]
end
redis.call('ZADD', KEYS[1], unpack(scored))
redis.call('HSET', KEYS[2], unpack(taken))
return out
