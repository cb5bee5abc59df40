package main

// Contexts.

import (
	"context"
	"time"
)

func init() {
	add("child", timed(besideSiblings))
	add("children", timedAt(100_000, just(createAndCancelParent)))
	add("cancel-children", timedAt(100_000, cancelParent))
	add("cancel-chain", timedAt(1000, just(cancelChain)))
	add("timeout", timed(just(timeouts)))
	add("timeout-crowd", timed(besideDeadlines(100_000)))
	add("timeouts", timedAt(100_000, just(createAndCancelEach)))
	add("err", timed(liveErr))
	add("value-1", timed(valueAt(1)))
	add("value-100", timed(valueAt(100)))
}

// child drops the cancel function: its context ends with the parent.
func child(parent context.Context) context.Context {
	ctx, cancel := context.WithCancel(parent)
	_ = cancel
	return ctx
}

// deadline is far away, and differs a little from that of the next i.
func deadline(parent context.Context, i int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(parent, time.Hour+time.Duration(i%1000)*time.Millisecond)
}

// besideSiblings creates and cancels a child of a parent that has so many others.
func besideSiblings(n, size int) (run, after func()) {
	parent, cancel := context.WithCancel(context.Background())
	for i := 0; i < size; i++ {
		child(parent)
	}
	return func() {
		for i := 0; i < n; i++ {
			_, cancel := context.WithCancel(parent)
			cancel()
		}
	}, cancel
}

func createAndCancelParent(n int) {
	parent, cancel := context.WithCancel(context.Background())
	for i := 0; i < n; i++ {
		child(parent)
	}
	cancel()
}

func cancelParent(n, _ int) (run, after func()) {
	parent, cancel := context.WithCancel(context.Background())
	for i := 0; i < n; i++ {
		child(parent)
	}
	return cancel, nothing
}

func cancelChain(n int) {
	root, cancel := context.WithCancel(context.Background())
	for ctx, i := root, 1; i < n; i++ {
		ctx = child(ctx)
	}
	cancel()
}

func timeouts(n int) {
	for i := 0; i < n; i++ {
		_, cancel := context.WithTimeout(context.Background(), time.Hour)
		cancel()
	}
}

// besideDeadlines does it beside others that are alive: a fixed number, or else as many as the size says.
func besideDeadlines(fixed int) program {
	return func(n, size int) (run, after func()) {
		root, cancel := context.WithCancel(context.Background())
		for i := 0; i < fixed+size; i++ {
			deadline(root, i)
		}
		return func() {
			for i := 0; i < n; i++ {
				_, cancel := deadline(context.Background(), i)
				cancel()
			}
		}, cancel
	}
}

func createAndCancelEach(n int) {
	cancels := make([]context.CancelFunc, 0, n)
	for i := 0; i < n; i++ {
		_, cancel := deadline(context.Background(), i)
		cancels = append(cancels, cancel)
	}
	for _, cancel := range cancels {
		cancel()
	}
}

func liveErr(n, _ int) (run, after func()) {
	ctx, cancel := context.WithCancel(context.Background())
	return func() {
		ended := 0
		for i := 0; i < n; i++ {
			if ctx.Err() != nil {
				ended++
			}
		}
		if ended != 0 {
			panic("it has not ended yet")
		}
	}, cancel
}

// A key is like no other, even of the same name.
type key struct{ name string }

// valueAt looks for the value that is deepest of so many.
func valueAt(depth int) program {
	return func(n, _ int) (run, after func()) {
		wanted := &key{"wanted"}
		ctx := context.WithValue(context.Background(), wanted, 1)
		for i := 1; i < depth; i++ {
			ctx = context.WithValue(ctx, &key{"other"}, i)
		}
		return func() {
			sum := 0
			for i := 0; i < n; i++ {
				sum += ctx.Value(wanted).(int)
			}
			if sum != n {
				panic("the value was not found")
			}
		}, nothing
	}
}
