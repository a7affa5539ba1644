-- SPDX-License-Identifier: MIT
-- Stores where SET alone cannot: by token, or with the expiry that the item has.
-- ARGV: envelope's size, 'set' | 'replace' | 'cas', token expected, new envelope up to its
-- expiry, expiry as in the envelope, in digits, or 'keep' ('0': never), value.
-- With: envelope

local mode, expected, head, binary, expiry, value = unpack(ARGV, 2)
local old, why = look()

if not old and (why == FOREIGN or mode ~= 'set') then
    return why
end
if mode == 'cas' and string.sub(old, 9, 16) ~= expected then
    return OTHER
end
if expiry ~= 'keep' and expiry ~= '0' then
    redis.call('SET', key, head .. binary .. value, 'PXAT', expiry)
elseif expiry == 'keep' and old then
    redis.call('SET', key, head .. string.sub(old, 17) .. value, 'KEEPTTL')
else
    redis.call('SET', key, head .. binary .. value)
end
return DONE
