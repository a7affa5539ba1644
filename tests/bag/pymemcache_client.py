# SPDX-License-Identifier: MIT
# pymemcache as Debian ships it, before a server at HOST:PORT or unix:PATH. Ends with an
# assertion where a verb does not do what it does before memcached.
import sys

from pymemcache import serde
from pymemcache.client.base import Client, PooledClient
from pymemcache.exceptions import MemcacheClientError, MemcacheServerError


def fails(kind, call, *args, **named):
    try:
        call(*args, **named)
    except kind:
        return True
    return False


place = sys.argv[1]
if not place.startswith('unix:'):
    host, port = place.rsplit(':', 1)
    place = (host, int(port))
c = Client(place, default_noreply=False, timeout=10, connect_timeout=10)
c.flush_all()

assert c.get('a') is None and c.get('a', 'none') == 'none'
assert c.set('a', b'\x00\r\nEND\r\n\xff') is True
assert c.get('a') == b'\x00\r\nEND\r\n\xff'
assert c.set('empty', b'') is True and c.get('empty') == b''
assert c.add('a', b'x') is False and c.add('b', b'1') is True
assert c.replace('c', b'x') is False and c.replace('b', b'2') is True
assert c.append('b', b'3') is True and c.prepend('b', b'1') is True
assert c.append('c', b'3') is False
assert c.get('b') == b'123'

value, token = c.gets('b')
assert value == b'123'
assert c.cas('b', b'124', token) is True
assert c.cas('b', b'125', token) is False
assert c.cas('none', b'x', token) is None

assert c.incr('b', 6) == 130 and c.decr('b', 131) == 0
assert c.incr('none', 1) is None
assert fails(MemcacheClientError, c.incr, 'a', 1)

assert c.touch('b', 100) is True and c.touch('none', 100) is False
assert c.delete('b') is True and c.delete('b') is False

many = {'key:%d' % i: b'v%d' % i for i in range(500)}
assert c.set_many(many) == []
assert c.get_many(list(many) + ['none']) == many
assert {k: v for k, (v, _) in c.gets_many(list(many)[:3]).items()} == {
    k: many[k] for k in list(many)[:3]}
assert c.delete_many(list(many)) is True and c.get_many(list(many)) == {}

large = bytes(range(256)) * 4000
assert c.set('large', large) is True and c.get('large') == large
assert fails(MemcacheServerError, c.set, 'larger', b'x' * (2 << 20))
assert c.get('large') == large

assert c.set('gone', b'x', expire=-1) is True and c.get('gone') is None
assert c.set('quiet', b'x', noreply=True) is True and c.get('quiet') == b'x'
assert c.stats()[b'curr_connections'] >= 1
assert c.version().startswith(b'1.6.')

# flags carry the type of a value
p = Client(place, serde=serde.pickle_serde, default_noreply=False, timeout=10)
p.set('object', {'a': [1, 2.5, None], 'b': 'text'})
assert p.get('object') == {'a': [1, 2.5, None], 'b': 'text'}
p.set('number', 12)
assert p.get('number') == 12

pool = PooledClient(place, max_pool_size=4, timeout=10)
for i in range(100):
    pool.set('pooled', b'%d' % i, noreply=False)
    assert pool.get('pooled') == b'%d' % i

assert c.flush_all() is True and c.get('a') is None
c.quit()
