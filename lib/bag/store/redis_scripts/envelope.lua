-- SPDX-License-Identifier: MIT
-- What scripts have in common. ARGV[1] is how many bytes stand before each value: 0 for
-- plain strings, 24 for those in an envelope ("kb1:", flags, nonce, expiry; the numbers
-- little-endian; see redis_item.h).
--
-- Answers: a number as in redis_ask.h, or what was asked for. Nothing is written before
-- all that can be refused has been.

local key = KEYS[1]
local before = tonumber(ARGV[1])

local DONE, ABSENT, OTHER, NO_NUMBER, FOREIGN, TOO_LARGE = 1, 0, 2, 3, 4, 5

-- The envelope, '' for a plain string; nil and why there is none.
local function look()
    if before == 0 then
        local kind = redis.call('TYPE', key).ok
        if kind == 'string' then
            return ''
        end
        return nil, kind == 'none' and ABSENT or FOREIGN
    end
    local head = redis.call('GETRANGE', key, 0, before - 1)
    if head == '' then
        return nil, ABSENT
    end
    if #head < before or string.sub(head, 1, 4) ~= 'kb1:' then
        return nil, FOREIGN
    end
    return head
end

-- The envelope of the same item after another write.
local function signed(head, nonce)
    return string.sub(head, 1, 8) .. nonce .. string.sub(head, 17)
end
