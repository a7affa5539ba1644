-- SPDX-License-Identifier: MIT
-- With: common
--
-- A rate limit of the whole fleet. Members take tokens in batches and give back what
-- they did not use. Generic cell rate algorithm: all that decides is the instant, in
-- microseconds, at which the bucket will be full again. The limit is stored beside it for
-- who looks.
--
-- KEYS  limit
-- ARGV  limit (README.md)

local LIMIT, LIMIT_SIZE = '>BBI6I8I8I8I8', 40
local count, period_us, burst, want, give = struct.unpack('>I8I8I8I4I4', ARGV[1])
local now_us = clock[1] * 1000000 + clock[2]
local token_us = period_us / count
local room_us = burst * token_us

-- An instant that lies further ahead than it did when it was stored is of before the
-- clock went back, or is not ours. How far ahead it may lie is not for this member to say:
-- another one may have asked with a larger burst, and its debt is not forgiven.
local function full_at()
    local raw = redis.pcall('GET', KEYS[1])
    if type(raw) == 'string' and #raw == LIMIT_SIZE then
        local magic, fmt, ahead, at = struct.unpack(LIMIT, raw)
        if magic == 82 and fmt == 1 then
            return math.min(at, now_us + math.max(ahead, room_us))
        end
    end
    corrupt = raw and 1 or 0
    return 0
end

local at = math.max(full_at() - give * token_us, now_us)
local free = math.floor((now_us + room_us - at) / token_us + 0.000001)
local granted = math.max(math.min(want, free), 0)
at = math.ceil(at + granted * token_us)
local ahead = math.min(math.ceil(math.max(room_us, at - now_us)), 2 ^ 47)
redis.call('SET', KEYS[1], struct.pack(LIMIT, 82, 1, ahead, at, count, period_us, burst),
    'PX', math.ceil(math.max(2 * ahead / 1000, 1000)))
local wait_us = granted < want and math.max(at + token_us - room_us - now_us, 0) or 0
return { granted, math.ceil(wait_us / 1000), corrupt }
