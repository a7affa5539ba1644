-- SPDX-License-Identifier: MIT
-- With: common members
--
-- A member that has nothing to report is still there; or, with no time given, leaves.
--
-- KEYS  meta, members, sequences, index, channel
-- ARGV  member, milliseconds until it counts as gone (0: now), a candidate for the
--       generation

local gen, min_reader, tended = generation(META, ARGV[3])
if min_reader > 1 then
    return { 1, min_reader }
end
local live = present()
if member_ms == 0 then
    redis.call('ZREM', MEMBERS, member)
    safely('HDEL', SEQUENCES, member)
end
tend(tended)
return { 0, now, gen, 0, live, 1, corrupt }
