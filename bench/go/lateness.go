package main

// A timer beside a producer and a consumer that never have to wait for anything else: how late it is, in ms.

import (
	"sort"
	"sync/atomic"
	"time"
)

func init() {
	add("lateness", func(int) result { return result{"late": lateness(10*time.Millisecond, 60)} })
}

func lateness(wait time.Duration, rounds int) float64 {
	ch := make(chan int, 128)
	var isOver atomic.Bool
	go func() {
		for !isOver.Load() {
			ch <- 0
		}
		close(ch)
	}()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for range ch {
		}
	}()
	late := make([]float64, rounds)
	for i := range late {
		begun := time.Now()
		<-time.After(wait)
		late[i] = float64(time.Since(begun)-wait) / float64(time.Millisecond)
	}
	isOver.Store(true)
	<-drained
	sort.Float64s(late)
	return late[rounds*99/100]
}
