-- Take a person's name out of the schedules of a tenant and out of its admins' log; both stay otherwise as they are.
--
-- KEYS  1 schedules of the tenant   2 audit
-- ARGV  1 how an entry's `who` ends for that person  2 how a schedule names them as planner  3 who stands there instead
-- Returns how many schedules and entries were changed
--
-- Entries of a stream cannot be changed: it is written anew, each entry under the id that it had.

local changed = 0
local schedules = redis.call('HGETALL', KEYS[1])
local entries = redis.call('XRANGE', KEYS[2], '-', '+')
for i = 1, #schedules, 2 do
  local first, last = string.find(schedules[i + 1], ARGV[2], 1, true)
  if first then
    redis.call('HSET', KEYS[1], schedules[i],
      string.sub(schedules[i + 1], 1, first - 1) .. '"planner":""' .. string.sub(schedules[i + 1], last + 1))
    changed = changed + 1
  end
end
local theirs = 0
for _, entry in ipairs(entries) do
  local fields = entry[2]
  for i = 1, #fields, 2 do
    if fields[i] == 'who' and string.sub(fields[i + 1], -#ARGV[1]) == ARGV[1] then
      fields[i + 1] = ARGV[3]
      theirs = theirs + 1
    end
  end
end
if theirs > 0 then
  redis.call('DEL', KEYS[2])
  for _, entry in ipairs(entries) do
    redis.call('XADD', KEYS[2], entry[1], unpack(entry[2]))
  end
end
return changed + theirs
