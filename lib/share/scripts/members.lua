-- SPDX-License-Identifier: MIT
-- Who is there. A member counts as gone when its time, which each of its beats and syncs
-- extends, has run out.

local META, MEMBERS, SEQUENCES, INDEX, CHANNEL = unpack(KEYS)
local member, member_ms = ARGV[1], tonumber(ARGV[2])

-- Once a second somebody clears away what has run out and renews what is in use.
local function tend(tended)
    if tended <= now and now - tended < 1000 then
        return
    end
    local gone = safely('ZRANGEBYSCORE', MEMBERS, '-inf', now, 'LIMIT', 0, 256)
    if #gone > 0 then
        redis.call('ZREM', MEMBERS, unpack(gone))
        safely('HDEL', SEQUENCES, unpack(gone))
    end
    redis.call('ZREMRANGEBYSCORE', MEMBERS, now + DAY, '+inf')
    safely('ZREMRANGEBYSCORE', INDEX, '-inf', now)
    redis.call('HSET', META, 'tended', now)
    for _, key in ipairs({ META, MEMBERS, SEQUENCES }) do
        redis.call('PEXPIRE', key, DAY)
    end
end

-- Returns how many there are.
local function present()
    if safely('ZADD', MEMBERS, now + member_ms, member) == 1 then
        redis.call('PEXPIRE', MEMBERS, DAY)
    end
    return redis.call('ZCOUNT', MEMBERS, now, '+inf')
end
