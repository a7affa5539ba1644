-- SPDX-License-Identifier: MIT
-- With: common
--
-- A rate limit of the whole fleet. Members take tokens in batches and give back what
-- they did not use. Generic cell rate algorithm: all that is stored is the instant, in
-- microseconds, at which the bucket will be full again.
--
-- KEYS  limit
-- ARGV  limit (README.md)

local LIMIT = '>BBxxxxxxI8'
local count, period_us, burst, want, give = struct.unpack('>I8I8I8I4I4', ARGV[1])
local now_us = clock[1] * 1000000 + clock[2]
local token_us = period_us / count
local room_us = burst * token_us

-- An instant that lies further ahead than an empty bucket's was stored before the clock
-- went back, or is not ours.
local function full_at()
    local raw = redis.pcall('GET', KEYS[1])
    if type(raw) == 'string' and #raw == 16 then
        local magic, fmt, at = struct.unpack(LIMIT, raw)
        if magic == 82 and fmt == 1 then
            return math.min(at, now_us + room_us)
        end
    end
    corrupt = raw and 1 or 0
    return 0
end

local at = math.max(full_at() - give * token_us, now_us)
local free = math.floor((now_us + room_us - at) / token_us + 0.000001)
local granted = math.max(math.min(want, free), 0)
at = math.ceil(at + granted * token_us)
redis.call('SET', KEYS[1], struct.pack(LIMIT, 82, 1, at), 'PX',
    math.ceil(math.max(2 * room_us / 1000, 1000)))
local wait_us = granted < want and math.max(at + token_us - room_us - now_us, 0) or 0
return { granted, math.ceil(wait_us / 1000), corrupt }
