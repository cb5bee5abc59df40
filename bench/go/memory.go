package main

// What is retained. Whatever waits in Go is a goroutine: its stack is counted, too.

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

func init() {
	add("bytes-receiver", retained(100_000, waitingReceivers))
	add("bytes-child", retained(100_000, liveChildren))
	add("bytes-timeout", retained(100_000, liveDeadlines))
	add("bytes-task", retained(100_000, waitingTasks))
	add("bytes-chan", retained(100_000, channels))
	add("bytes-after", retainedInAll(1_000_000, cancelledChildren))
}

// settled waits until the goroutines that were just started wait themselves.
func settled() { time.Sleep(50 * time.Millisecond) }

func waitingReceivers(n int) any {
	ch := make(chan int)
	waiting(n, func(int) { <-ch })
	settled()
	return ch
}

func liveChildren(n int) any {
	root, cancel := context.WithCancel(context.Background())
	for i := 0; i < n; i++ {
		child(root)
	}
	return []any{root, cancel}
}

func liveDeadlines(n int) any {
	root, cancel := context.WithCancel(context.Background())
	for i := 0; i < n; i++ {
		deadline(root, 0)
	}
	return []any{root, cancel}
}

// What waits for a slot is the goroutine that calls Go.
func waitingTasks(n int) any {
	group := new(errgroup.Group)
	group.SetLimit(0)
	waiting(n, func(int) { group.Go(soon) })
	settled()
	return group
}

func channels(n int) any {
	all := make([]chan int, n)
	for i := range all {
		all[i] = make(chan int)
	}
	return all
}

func cancelledChildren(n int) any {
	root, cancelRoot := context.WithCancel(context.Background())
	for i := 0; i < n; i++ {
		_, cancel := context.WithCancel(root)
		cancel()
	}
	return []any{root, cancelRoot}
}
