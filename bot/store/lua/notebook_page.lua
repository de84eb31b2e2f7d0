-- The next entries of the log that no notebook has taken in.
--
-- KEYS  1 what was taken in   2 log   3 opted out
-- ARGV  1 most entries
-- Returns {id of the newest entry taken in (empty: none), id of the last entry read, number of entries read, row, ...}
--       a row is an answer of someone who may be recorded: id, user, item, option, correct, round, day (yyyymmdd), post,
--       separated by the character 31; round, day and post are empty where there is none

local since = redis.call('HGET', KEYS[1], 'at') or ''
local entries = redis.call('XRANGE', KEYS[2], since == '' and '-' or '(' .. since, '+', 'COUNT', ARGV[1])
local rows = {since, since, #entries}
for _, entry in ipairs(entries) do
  local told, cells = {}, entry[2]
  for i = 1, #cells, 2 do
    told[cells[i]] = cells[i + 1]
  end
  local answer = told.user and (told.kind == 'practice' or told.kind == 'daily')
  if answer and redis.call('SISMEMBER', KEYS[3], told.user) == 0 then
    rows[#rows + 1] = table.concat({entry[1], told.user, told.item or '', told.option or '', told.correct or '',
      told.round or '', told.day or '', told.post or ''}, '\31')
  end
  rows[2] = entry[1]
end
return rows
