-- SPDX-License-Identifier: MIT
-- Appends or prepends to what is there; flags and expiry stay.
-- ARGV: envelope's size, 'append' | 'prepend', nonce, bytes, the most bytes of a value.
-- With: envelope

local mode, nonce, bytes, most = unpack(ARGV, 2)
local head, why = look()

if not head then
    return why
end
if redis.call('STRLEN', key) - before + #bytes > tonumber(most) then
    return TOO_LARGE
end
if mode == 'append' then
    redis.call('APPEND', key, bytes)
    if before > 0 then
        redis.call('SETRANGE', key, 8, nonce)
    end
else
    local value = redis.call('GETRANGE', key, before, -1)
    if before > 0 then
        head = signed(head, nonce)
    end
    redis.call('SET', key, head .. bytes .. value, 'KEEPTTL')
end
return DONE
