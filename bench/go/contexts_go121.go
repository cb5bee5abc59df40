//go:build go1.21

package main

// What contexts can do since Go 1.21.

import "context"

func init() {
	add("after-func", timed(afterFunc))
}

func afterFunc(n, _ int) (run, after func()) {
	ctx, cancel := context.WithCancel(context.Background())
	return func() {
		for i := 0; i < n; i++ {
			stop := context.AfterFunc(ctx, nothing)
			stop()
		}
	}, cancel
}
