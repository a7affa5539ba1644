// SPDX-License-Identifier: MIT
// opossum and cockatiel, timed once: lines of `what who nanoseconds` for bench/peers.sh.
// A call is awaited, as a service would; the empty function it guards is inside.
import CircuitBreaker from "opossum";
import {
    BrokenCircuitError, circuitBreaker, ConsecutiveBreaker, handleAll, retry, SamplingBreaker
} from "cockatiel";

const warmUpMs = 300;
const timedMs = 100;

async function nothing() {}

async function rounds(call, forMs) {
    const begun = process.hrtime.bigint();
    const until = begun + BigInt(forMs) * 1000000n;
    let count = 0;
    let now = begun;

    while (now < until) {
        for (let i = 0; i < 100; i++)
            await call();
        count += 100;
        now = process.hrtime.bigint();
    }
    return Number(now - begun) / count;
}

async function time(what, who, call) {
    await rounds(call, warmUpMs);
    console.log(what, who, (await rounds(call, timedMs)).toFixed(1));
}

// A refusal is an exception that the caller catches.
function refused(call) {
    return async () => {
        try {
            await call();
        } catch {
            return;
        }
        throw new Error("let through");
    };
}

async function failing() {
    throw new Error("down");
}

const opossum = new CircuitBreaker(nothing, {
    timeout: false, rollingCountTimeout: 10000, rollingCountBuckets: 100
});
await time("closed", "opossum", () => opossum.fire());
opossum.open();
await time("rejection", "opossum", refused(() => opossum.fire()));
opossum.shutdown();

const sampling = circuitBreaker(handleAll, {
    halfOpenAfter: 5000, breaker: new SamplingBreaker({ threshold: 0.5, duration: 10000 })
});
await time("closed", "cockatiel", () => sampling.execute(nothing));

const down = circuitBreaker(handleAll, {
    halfOpenAfter: 3600000, breaker: new ConsecutiveBreaker(1)
});
await down.execute(failing).catch(() => {});
await down.execute(nothing).catch((error) => {
    if (!(error instanceof BrokenCircuitError))
        throw error;
});
await time("rejection", "cockatiel", refused(() => down.execute(nothing)));

const retrying = retry(handleAll, { maxAttempts: 3 });
await time("retry", "cockatiel", () => retrying.execute(nothing));
process.exit(0);
