-- Bring a batch of answers of a closed, voided or corrected question to what they are worth now, on every board.
-- Repeating it changes nothing: each answer holds what the boards have had of it.
--
-- KEYS  1 post   2 answers (base of its buckets)
-- ARGV  1 prefix of the tenant's keys  2 bucket  3 cursor  4 answers a batch  5 whether unsettled ones are settled 0|1
-- Returns {next cursor, answers changed}

local post = read_post(KEYS[1])
if post.item == '' then
  return {'0', 0}
end
local buckets = tonumber(post.buckets) or 1
local answers = buckets > 1 and KEYS[2] .. ':' .. ARGV[2] or KEYS[2]
local page = redis.call('HSCAN', answers, ARGV[3], 'COUNT', ARGV[4])
local changed = 0
for i = 1, #page[2], 2 do
  local user, was = page[2][i], unpacked(page[2][i + 1])
  if was and (was.settled == 1 or ARGV[5] == '1') then
    local is = worth(post, was.option)
    if packed(was) ~= packed(is) then
      local key = person_key(ARGV[1], user)
      local found, mine = look(ARGV[1], post, user), totals(key, post)
      redis.call('HSET', answers, user, packed(is))
      award(found, key, mine, post, user, was, is)
      expire(found)
      changed = changed + 1
    end
  end
end
return {page[1], changed}
