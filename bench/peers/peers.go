// SPDX-License-Identifier: MIT

// go-resiliency, x/time/rate and juju/ratelimit, timed once: lines of `what who
// nanoseconds` for bench/peers.sh. Built with Debian's packages, GO111MODULE=off.
package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/juju/ratelimit"
	"golang.org/x/time/rate"
	"gopkg.in/eapache/go-resiliency.v1/breaker"
	"gopkg.in/eapache/go-resiliency.v1/retrier"
)

const timedFor = 100 * time.Millisecond

func rounds(call func()) float64 {
	begun := time.Now()
	count := 0
	for time.Since(begun) < timedFor {
		for i := 0; i < 1000; i++ {
			call()
		}
		count += 1000
	}
	return float64(time.Since(begun).Nanoseconds()) / float64(count)
}

func timeIt(what, who string, call func()) {
	rounds(call)
	fmt.Printf("%s %s %.1f\n", what, who, rounds(call))
}

func nothing() error { return nil }

func fail() error { return errors.New("down") }

func must(holds bool, what string) {
	if !holds {
		fmt.Fprintln(os.Stderr, what)
		os.Exit(1)
	}
}

func main() {
	closed := breaker.New(5, 1, 5*time.Second)
	timeIt("closed", "go-resiliency", func() { _ = closed.Run(nothing) })

	open := breaker.New(1, 1, time.Hour)
	_ = open.Run(fail)
	must(open.Run(nothing) == breaker.ErrBreakerOpen, "go-resiliency lets a call through")
	timeIt("rejection", "go-resiliency", func() { _ = open.Run(nothing) })

	retry := retrier.New(retrier.ConstantBackoff(2, time.Millisecond), nil)
	timeIt("retry", "go-resiliency", func() { _ = retry.Run(nothing) })

	limiter := rate.NewLimiter(rate.Limit(1e9), 1e9)
	timeIt("limiter", "x/time/rate", func() { must(limiter.Allow(), "no token") })

	bucket := ratelimit.NewBucketWithRate(1e9, 1e9)
	timeIt("limiter", "juju/ratelimit", func() { must(bucket.TakeAvailable(1) == 1, "no token") })
}
