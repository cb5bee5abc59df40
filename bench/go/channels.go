package main

// Channels: a transfer is one send and one receive, between two goroutines.

import (
	"context"
	"sync"
)

func init() {
	add("unbuffered", timed(just(transfer(0))))
	add("buffered", timed(just(transfer(128))))
	add("buffered-try", timed(just(transferTrying)))
	add("iterate-buffered", timed(just(iterate(128))))
	add("iterate-unbuffered", timed(just(iterate(0))))
	add("fan-in", timed(just(fanIn)))
	add("pipeline", timed(just(pipeline)))
	add("recv-ctx", timed(just(receiveWithContext)))
	add("both-ctx", timed(just(transferWithContext)))
	add("sieve", timedSingly(just(sieves)))
	add("make-chan", timed(just(makeChannels)))
	add("close-1000", timed(just(closeWakes1000)))
}

func sendAll(ch chan<- int, n int) {
	for i := 0; i < n; i++ {
		ch <- i
	}
}

func transfer(capacity int) func(n int) {
	return func(n int) {
		ch := make(chan int, capacity)
		go sendAll(ch, n)
		for i := 0; i < n; i++ {
			<-ch
		}
	}
}

func transferTrying(n int) {
	ch := make(chan int, 128)
	go func() {
		for i := 0; i < n; i++ {
			select {
			case ch <- i:
			default:
				ch <- i
			}
		}
	}()
	for i := 0; i < n; i++ {
		select {
		case <-ch:
		default:
			<-ch
		}
	}
}

func iterate(capacity int) func(n int) {
	return func(n int) {
		ch := make(chan int, capacity)
		go func() {
			sendAll(ch, n)
			close(ch)
		}()
		for range ch {
		}
	}
}

func fanIn(n int) {
	ch := make(chan int)
	go inTasks(100, n, func(task int) { ch <- task })
	for i := 0; i < n; i++ {
		<-ch
	}
}

func pipeline(n int) {
	first := make(chan int)
	go func() {
		sendAll(first, n)
		close(first)
	}()
	last := first
	for i := 0; i < 10; i++ {
		from, to := last, make(chan int)
		go func() {
			for value := range from {
				to <- value
			}
			close(to)
		}()
		last = to
	}
	for range last {
	}
}

func receiveWithContext(n int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ch := make(chan int)
	go sendAll(ch, n)
	for i := 0; i < n; i++ {
		select {
		case <-ch:
		case <-ctx.Done():
			return
		}
	}
}

func transferWithContext(n int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ch := make(chan int)
	go func() {
		for i := 0; i < n; i++ {
			select {
			case ch <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	for i := 0; i < n; i++ {
		select {
		case <-ch:
		case <-ctx.Done():
			return
		}
	}
}

func sieves(n int) {
	for i := 0; i < n; i++ {
		sieve()
	}
}

// sieve finds the first 100 primes. Every send and receive takes a context, which ends the goroutines when the last prime is found.
func sieve() {
	ctx, cancel := context.WithCancel(context.Background())
	var stages sync.WaitGroup
	stage := func(run func(to chan<- int)) <-chan int {
		to := make(chan int)
		stages.Add(1)
		go func() {
			defer stages.Done()
			run(to)
		}()
		return to
	}
	ch := stage(func(to chan<- int) {
		for i := 2; ; i++ {
			select {
			case to <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	for i := 0; i < 100; i++ {
		from := ch
		prime := <-from
		ch = stage(func(to chan<- int) { filter(ctx, from, to, prime) })
	}
	cancel()
	stages.Wait()
}

func filter(ctx context.Context, from <-chan int, to chan<- int, prime int) {
	for {
		var value int
		select {
		case value = <-from:
		case <-ctx.Done():
			return
		}
		if value%prime == 0 {
			continue
		}
		select {
		case to <- value:
		case <-ctx.Done():
			return
		}
	}
}

// made keeps the compiler from leaving out results that are not used.
var made chan int

func makeChannels(n int) {
	for i := 0; i < n; i++ {
		made = make(chan int)
	}
}

// Starting the goroutines that wait is part of it, as making the promises is in JavaScript.
func closeWakes1000(n int) {
	for i := 0; i < n; i += 1000 {
		ch := make(chan int)
		ended := waiting(1000, func(int) { <-ch })
		close(ch)
		ended()
	}
}
