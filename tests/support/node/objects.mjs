// SPDX-License-Identifier: MIT
// A server of objects with ETags, as S3 and as plain HTTP, that does what emulators do
// not: it heeds If-Match and If-None-Match, checks signatures, and fails by order.
//
//     node objects.mjs PORT [KEY SECRET]      with a key: as S3, bucket first in the path
//
// POST /-/faults takes a list of faults, each for one request that fits, in order:
//     { "method": "PUT", "conditional": true, "status": 503, "code": "SlowDown",
//       "retryAfter": 1, "applied": true, "reset": true }
// applied: it is done before it fails. GET /-/requests says how many there were, by
// method. POST /-/ignore makes it deaf to conditions of writes, POST /-/cut cuts what
// objects hold in half.
import { createHash, createHmac } from 'node:crypto';
import { createServer } from 'node:http';

const [port, key, secret] = process.argv.slice(2);
const PAGE = 100;
const objects = new Map();
let faults = [];
let counts = {};
let ignoresConditions = false;

const hash = (text) => createHash('sha256').update(text).digest('hex');
const hmac = (secretKey, text) => createHmac('sha256', secretKey).update(text).digest();
const etagOf = (body) => `"${createHash('md5').update(body).digest('hex')}"`;
const encode = (text) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => '%' +
        c.charCodeAt(0).toString(16).toUpperCase());
const escape = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');

// ---- signatures ---------------------------------------------------------------------

function canonical(request, url, names, bodyHash) {
    const path = decodeURIComponent(url.pathname).split('/').map(encode).join('/');
    const query = [...url.searchParams].map(([name, value]) =>
        `${encode(name)}=${encode(value)}`).sort().join('&');
    const headers = names.map((name) =>
        `${name}:${(request.headers[name] ?? '').trim().replace(/ +/g, ' ')}\n`).join('');
    return [request.method, path, query, headers, names.join(';'), bodyHash].join('\n');
}

// What is wrong with the signature; undefined: nothing is.
function judge(request, url, body) {
    const fields = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/
        .exec(request.headers.authorization ?? '');
    if (!fields) return 'AccessDenied';
    const [, id, day, region, signed, signature] = fields;
    const names = signed.split(';');
    const date = request.headers['x-amz-date'] ?? '';
    if (id !== key) return 'InvalidAccessKeyId';
    if (!names.includes('host') || !names.includes('x-amz-date')) return 'AccessDenied';
    if (request.headers['x-amz-content-sha256'] !== hash(body))
        return 'XAmzContentSHA256Mismatch';
    const scope = `${day}/${region}/s3/aws4_request`;
    const message = ['AWS4-HMAC-SHA256', date, scope,
        hash(canonical(request, url, names, hash(body)))].join('\n');
    const signing = [day, region, 's3', 'aws4_request'].reduce(hmac, 'AWS4' + secret);
    return hmac(signing, message).toString('hex') === signature
        ? undefined : 'SignatureDoesNotMatch';
}

// ---- answers ------------------------------------------------------------------------

function answer(response, status, headers = {}, body = '') {
    response.writeHead(status, { 'Content-Length': Buffer.byteLength(body), ...headers });
    response.end(body);
}

function refuse(response, status, code, headers = {}) {
    answer(response, status, headers, key
        ? `<?xml version="1.0"?>\n<Error><Code>${code}</Code></Error>` : code);
}

// ---- objects ------------------------------------------------------------------------

function isMet(request, there) {
    const match = request.headers['if-match'], none = request.headers['if-none-match'];
    if (ignoresConditions) return true;
    if (none === '*' && there) return false;
    return match === undefined || (there && (match === '*' || match === there.etag));
}

function put(request, response, path, body) {
    const there = objects.get(path);
    if (!isMet(request, there))
        return key && !there ? [404, 'NoSuchKey'] : [412, 'PreconditionFailed'];
    objects.set(path, { body, etag: etagOf(body) });
    return [key ? 200 : there ? 204 : 201, '', { ETag: etagOf(body) }];
}

function remove(request, path) {
    const there = objects.get(path);
    if (!isMet(request, there)) return [412, 'PreconditionFailed'];
    if (!there && !key) return [404, 'none'];
    objects.delete(path);
    return [204, ''];
}

function get(request, response, path) {
    const there = objects.get(path);
    if (!there) return refuse(response, 404, 'NoSuchKey');
    const range = /^bytes=0-(\d+)$/.exec(request.headers.range ?? '');
    const headers = { ETag: there.etag };
    if (range && !there.body.length) return refuse(response, 416, 'InvalidRange');
    answer(response, range ? 206 : 200, headers,
        range ? there.body.subarray(0, +range[1] + 1) : there.body);
}

function list(url, response, bucket) {
    const prefix = url.searchParams.get('prefix') ?? '';
    const token = url.searchParams.get('continuation-token');
    const after = token ? Buffer.from(token, 'base64').toString()
        : url.searchParams.get('start-after') ?? '';
    const names = [...objects.keys()].filter((path) => path.startsWith(`/${bucket}/`))
        .map((path) => path.slice(bucket.length + 2))
        .filter((name) => name.startsWith(prefix) && name > after).sort();
    const page = names.slice(0, PAGE), isCut = names.length > PAGE;
    const next = isCut ? `<NextContinuationToken>${Buffer.from(page.at(-1))
        .toString('base64')}</NextContinuationToken>` : '';
    answer(response, 200, { 'Content-Type': 'application/xml' },
        `<?xml version="1.0"?>\n<ListBucketResult><IsTruncated>${isCut}</IsTruncated>` +
        next + page.map((name) => `<Contents><Key>${escape(name)}</Key></Contents>`)
            .join('') + '</ListBucketResult>');
}

// ---- orders and requests --------------------------------------------------------------

function order(url, response, body) {
    if (url.pathname === '/-/faults') faults = JSON.parse(body);
    else if (url.pathname === '/-/ignore') ignoresConditions = true;
    else if (url.pathname === '/-/cut')
        for (const object of objects.values())
            object.body = object.body.subarray(0, object.body.length / 2);
    const said = JSON.stringify(counts);
    if (url.pathname === '/-/requests') counts = {};
    answer(response, 200, {}, said);
}

function takeFault(request) {
    const isConditional =
        Boolean(request.headers['if-match'] ?? request.headers['if-none-match']);
    const at = faults.findIndex((fault) => fault.method === request.method &&
        (fault.conditional === undefined || fault.conditional === isConditional));
    return at < 0 ? undefined : faults.splice(at, 1)[0];
}

function serve(request, response, body) {
    const url = new URL(request.url, 'http://localhost');
    const path = decodeURIComponent(url.pathname);
    if (path.startsWith('/-/')) return order(url, response, body);
    counts[request.method] = (counts[request.method] ?? 0) + 1;
    const wrong = key ? judge(request, url, body) : undefined;
    if (wrong) return refuse(response, 403, wrong);
    if (key && !path.startsWith('/bucket')) return refuse(response, 404, 'NoSuchBucket');

    const fault = takeFault(request);
    let said;
    if (!fault || fault.applied) {
        if (request.method === 'PUT') said = put(request, response, path, body);
        else if (request.method === 'DELETE') said = remove(request, path);
    }
    if (fault?.reset) return request.socket.resetAndDestroy();
    if (fault)
        return refuse(response, fault.status, fault.code ?? 'Fault',
            fault.retryAfter === undefined ? {} : { 'Retry-After': fault.retryAfter });
    if (said) {
        if (said[0] < 300) return answer(response, said[0], said[2] ?? {});
        return refuse(response, said[0], said[1]);
    }
    if (url.searchParams.has('list-type')) return list(url, response, 'bucket');
    return get(request, response, path);
}

createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => serve(request, response, Buffer.concat(pieces)));
}).listen(+port, '127.0.0.1');
