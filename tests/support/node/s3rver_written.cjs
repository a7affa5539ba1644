// SPDX-License-Identifier: MIT
// s3rver 3.7.1 answers a PUT while the file behind it may still be written: on a busy
// machine a GET right after it finds half of the object. With this the file comes first.
//
//     node s3rver_written.cjs .../s3rver/bin/s3rver.js ...
const { createHash } = require('node:crypto');
const { mkdir, rename, writeFile } = require('node:fs/promises');
const { createRequire } = require('node:module');
const { dirname, resolve } = require('node:path');
const { buffer } = require('node:stream/consumers');

process.argv.splice(1, 1); // as if s3rver had been started itself

const program = resolve(process.argv[1]);
const Store = createRequire(program)('../lib/stores/filesystem');
let writes = 0;

Store.prototype.putObject = async function putObject({ bucket, key, content, metadata }) {
    const path = this.getResourcePath(bucket, key, 'object');
    const whole = `${path}.${++writes}`;
    const bytes = Buffer.isBuffer(content) ? content : await buffer(content);
    const md5 = createHash('md5').update(bytes).digest('hex');

    await mkdir(dirname(path), { recursive: true });
    await writeFile(whole, bytes);
    await rename(whole, path);
    await this.putMetadata(bucket, key, metadata, md5);
    return { size: bytes.length, md5 };
};

require(program);
